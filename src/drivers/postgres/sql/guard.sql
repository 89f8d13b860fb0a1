-- For a transaction of the user's own: fails with LK001 unless all these locks are held, and then keeps them from being
-- given to anybody else until the transaction ends. Renewal goes on meanwhile. names: the locks; fences: a fence of each
-- hold. Fails with 40001 in a transaction whose snapshot may be older than the hold, and with 25006 on a standby.
CREATE OR REPLACE FUNCTION latchkey.guard(names bytea[], fences int8[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  i bytea;
  f int8;
BEGIN
  -- There it would find the hold, and keep nobody from anything.
  IF pg_is_in_recovery() THEN
    RAISE read_only_sql_transaction USING MESSAGE = 'a guard needs the primary, and this is a standby';
  END IF;
  FOR k IN 1..cardinality(names) LOOP
    i := sha256(names[k]);
    f := fences[k];
    -- Whoever ends a hold locks the first of its fences exclusively: when this is not made to wait, it has not ended.
    PERFORM pg_advisory_xact_lock_shared(o.salt #
      CASE WHEN o.token IS NOT NULL AND f BETWEEN o.fence AND o.fence + 63 THEN o.fence ELSE f END)
    FROM latchkey.lock o WHERE o.id = i;
    IF current_setting('transaction_isolation') <> 'read committed' THEN
      BEGIN
        -- Fails if the row has changed since the snapshot; else the row's lock goes with the block.
        PERFORM FROM latchkey.lock o WHERE o.id = i FOR SHARE;
        PERFORM FROM latchkey.share s WHERE s.id = i AND s.fence = f FOR SHARE;
        RAISE EXCEPTION USING ERRCODE = 'LK000';
      EXCEPTION WHEN SQLSTATE 'LK000' THEN
      END;
    END IF;
    IF NOT EXISTS (
      SELECT FROM latchkey.lock o WHERE o.id = i AND o.token IS NOT NULL AND f BETWEEN o.fence AND o.fence + 63
        AND o.ends > clock_timestamp()
      UNION ALL SELECT FROM latchkey.share s WHERE s.id = i AND s.fence = f AND NOT s.rests AND s.ends > clock_timestamp()
    ) THEN
      RAISE EXCEPTION 'the lock is not held under fence %', f USING ERRCODE = 'LK001';
    END IF;
  END LOOP;
END $$;
