-- Takes away the hold that has this fence, in so many ms. n: the lock's name; f: the fence of whom it serves; own: the process.
-- Answers whether there is such a hold.
CREATE OR REPLACE FUNCTION latchkey.revoke(n bytea, f int8, grace int8, own int8) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE
  i bytea := sha256(n);
  l latchkey.lock;
  s latchkey.share;
  at timestamptz;
  told bool;
BEGIN
  l := latchkey.open_row(i, n, 500);
  at := clock_timestamp();
  IF l.token IS NOT NULL AND f = latchkey.fence_of(l) AND l.ends > at THEN
    l.ends := least(l.ends, at + latchkey.ms(grace));
    l.revoked := true;
    PERFORM latchkey.tell(l.process, 'revoked ' || latchkey.ms_until(l.ends, at), l.token, l.name);
  ELSE
    UPDATE latchkey.share o SET ends = least(o.ends, at + latchkey.ms(grace)), revoked = true
      WHERE o.id = i AND o.fence = f AND o.ends > at AND NOT o.rests RETURNING o.* INTO s;
    IF NOT FOUND THEN RETURN false; END IF;
    PERFORM latchkey.tell(s.process, 'revoked ' || latchkey.ms_until(s.ends, at), s.token, l.name);
  END IF;
  -- Its process may ask before it reads the message, or never get it.
  l.refuses := latchkey.depart(i, ARRAY[' ' || coalesce(s.token, l.token)]);
  SELECT h.told INTO told FROM latchkey.hand_over(l, true, own, NULL) h;
  IF grace > 0 AND NOT told THEN PERFORM latchkey.look_in(l, own); END IF;
  RETURN true;
END $$;
