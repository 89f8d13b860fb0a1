-- The tokens of the places at the head of the queue that the process may hand the lock on to: writers of its own.
CREATE OR REPLACE FUNCTION latchkey.run_of(i bytea, own int8) RETURNS text[] LANGUAGE sql STABLE AS $$
  SELECT array_agg(r.token ORDER BY r.place) FROM (
    SELECT h.token, h.place, bool_and(h.process = own AND h.mode = 'w') OVER (ORDER BY h.place) AS behind
    FROM (SELECT * FROM latchkey.place p WHERE p.id = i ORDER BY p.place LIMIT 63) h
  ) r WHERE r.behind
$$;
