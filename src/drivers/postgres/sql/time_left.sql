-- The ms until the last holder's time is up, or the key has rested; 0 where nobody holds it. For one with a limit, until
-- the first of the shared holds is over. A hold whose time is up and that is guarded has a few ms left.
CREATE OR REPLACE FUNCTION latchkey.time_left(i bytea, most float8) RETURNS int8 LANGUAGE sql STABLE AS $$
  SELECT coalesce(CASE WHEN most < 'Infinity' THEN min(h.remains) FILTER (WHERE h.shared) END, max(h.remains), 0)
  FROM (
    SELECT greatest(latchkey.ms_until(o.ends, clock_timestamp()), o.shortest) AS remains, o.shared FROM (
      SELECT o.ends, 20 AS shortest, false AS shared FROM latchkey.lock o WHERE o.id = i AND o.token IS NOT NULL
      UNION ALL SELECT o.rests, 0, false FROM latchkey.lock o WHERE o.id = i
      UNION ALL SELECT s.ends, 20, true FROM latchkey.share s WHERE s.id = i
    ) o
  ) h
$$;
