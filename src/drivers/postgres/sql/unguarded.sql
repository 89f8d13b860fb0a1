-- Fails with 55P03 while a transaction guards the hold with this salted fence; none can from now on.
CREATE OR REPLACE FUNCTION latchkey.unguarded(f int8) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF NOT pg_try_advisory_xact_lock(f) THEN
    RAISE lock_not_available USING MESSAGE = 'a transaction guards the lock';
  END IF;
END $$;
