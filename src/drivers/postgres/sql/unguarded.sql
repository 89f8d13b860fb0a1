-- Fails with LK002 while a transaction guards the hold with this salted fence; none can from now on.
CREATE OR REPLACE FUNCTION latchkey.unguarded(f int8) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF NOT pg_try_advisory_xact_lock(f) THEN
    RAISE EXCEPTION 'a transaction guards the lock' USING ERRCODE = 'LK002';
  END IF;
END $$;
