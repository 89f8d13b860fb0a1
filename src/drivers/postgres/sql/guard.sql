-- For a transaction of the user's own: fails with LK001 unless all these locks are held, and then keeps them from being
-- given to anybody else until the transaction ends. Renewal goes on meanwhile. names: the locks; fences: a fence of each
-- hold.
CREATE OR REPLACE FUNCTION latchkey.guard(names bytea[], fences int8[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  i bytea;
BEGIN
  FOR k IN 1..cardinality(names) LOOP
    i := sha256(names[k]);
    PERFORM FROM latchkey.lock o WHERE o.id = i AND o.token IS NOT NULL AND fences[k] BETWEEN o.fence AND o.fence + 63
      AND o.ends > clock_timestamp() FOR KEY SHARE;
    CONTINUE WHEN FOUND;
    PERFORM FROM latchkey.share s WHERE s.id = i AND s.fence = fences[k] AND NOT s.rests
      AND s.ends > clock_timestamp() FOR KEY SHARE;
    CONTINUE WHEN FOUND;
    RAISE EXCEPTION 'the lock is not held under fence %', fences[k] USING ERRCODE = 'LK001';
  END LOOP;
END $$;
