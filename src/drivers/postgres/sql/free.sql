-- Ends a hold, and hands the lock over. n: the lock's name; t: the token; served: the tokens of the run that it served;
-- used: the last fence it was used under, or 0; rest: ms for which nobody gets it, or
-- a reader's share; late: whether a claim of the token may still come; own: the process.
-- Answers whether the hold lasted until now. Fails with 55P03 while a transaction guards it.
CREATE OR REPLACE FUNCTION latchkey.free(n bytea, t text, served text[], used int8, rest int8, late bool,
  own int8) RETURNS bool
LANGUAGE plpgsql AS $$
DECLARE
  i bytea := sha256(n);
  l latchkey.lock;
  share latchkey.share;
  at timestamptz;
  held bool := false;
  entered int;
BEGIN
  -- FOR UPDATE, which a guard holds up; but to wait for others' claims to end is no fault.
  SELECT * INTO l FROM latchkey.lock o WHERE o.id = i FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    l := latchkey.open_row(i, n, '500ms');
    PERFORM FROM latchkey.lock o WHERE o.id = i FOR UPDATE NOWAIT;
  END IF;
  at := clock_timestamp();
  IF l.token = t THEN
    held := l.ends > at;
    l.token := NULL;
  ELSIF l.shared THEN
    PERFORM FROM latchkey.share s WHERE s.id = i AND s.token = t FOR UPDATE NOWAIT;
    DELETE FROM latchkey.share s WHERE s.id = i AND s.token = t RETURNING * INTO share;
    held := coalesce(share.ends > at, false);
  END IF;
  DELETE FROM latchkey.place p WHERE p.id = i AND p.token = ANY (served || t);
  l.last := greatest(l.last, used);
  rest := CASE WHEN held THEN rest ELSE 0 END;
  IF rest > 0 AND share.token IS NULL THEN
    l.rests := at + latchkey.ms(rest);
  ELSIF rest > 0 THEN
    share.token := ' ' || t;
    share.ends := at + latchkey.ms(rest);
    share.rests := true;
    INSERT INTO latchkey.share VALUES (share.*) ON CONFLICT (id, token) DO UPDATE SET ends = excluded.ends;
  END IF;
  IF late THEN PERFORM latchkey.depart(i, ARRAY[t]); END IF;
  SELECT h.entered INTO entered FROM latchkey.hand_over(l, true, own, NULL) h;
  IF rest > 0 THEN
    PERFORM latchkey.look_in(l);
  ELSIF entered = 0 THEN
    PERFORM latchkey.relax();
  END IF;
  RETURN held;
END $$;
