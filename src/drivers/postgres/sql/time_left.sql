-- The ms until the last holder's time is up, or the key has rested; 0 where nobody holds it. A hold whose time is up and
-- that is guarded has a few ms left.
CREATE OR REPLACE FUNCTION latchkey.time_left(i bytea) RETURNS float8 LANGUAGE sql STABLE AS $$
  SELECT coalesce(max(greatest(extract(epoch FROM h.ends - clock_timestamp()) * 1000, h.shortest)), 0)
  FROM (
    SELECT o.ends, 20 AS shortest FROM latchkey.lock o WHERE o.id = i AND o.token IS NOT NULL
    UNION ALL SELECT o.rests, 0 FROM latchkey.lock o WHERE o.id = i
    UNION ALL SELECT s.ends, 20 FROM latchkey.share s WHERE s.id = i
  ) h
$$;
