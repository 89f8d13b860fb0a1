-- For a transaction of the user's own: fails unless the lock is held under this fence, and then keeps it from being given
-- to anybody else until the transaction ends. Renewal goes on meanwhile. n: the lock's name; f: the fence.
-- Answers whether it is held.
CREATE OR REPLACE FUNCTION latchkey.guard(n bytea, f int8) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE
  i bytea := sha256(n);
BEGIN
  PERFORM FROM latchkey.lock o WHERE o.id = i AND o.token IS NOT NULL AND f BETWEEN o.fence AND o.fence + 63
    AND o.ends > clock_timestamp() FOR KEY SHARE;
  IF FOUND THEN RETURN true; END IF;
  PERFORM FROM latchkey.share s WHERE s.id = i AND s.fence = f AND s.ends > clock_timestamp() FOR KEY SHARE;
  RETURN FOUND;
END $$;
