-- Locks the row of a lock against all but guards, after it was made if need be; waits for patience ms at most, at least 1:
-- 0 would be no limit.
CREATE OR REPLACE FUNCTION latchkey.open_row(i bytea, n bytea, patience int) RETURNS latchkey.lock LANGUAGE plpgsql AS $$
DECLARE
  l latchkey.lock;
BEGIN
  PERFORM set_config('lock_timeout', greatest(patience, 1)::text, true);
  LOOP
    SELECT * INTO l FROM latchkey.lock WHERE id = i FOR NO KEY UPDATE;
    IF FOUND THEN RETURN l; END IF;
    INSERT INTO latchkey.lock (id, name, last) VALUES (i, n, 0) ON CONFLICT DO NOTHING;
  END LOOP;
END $$;
