-- The next so many locks after an id, in their order; info where the name starts with a prefix and there is something
-- to tell.
CREATE OR REPLACE FUNCTION latchkey.list(after_id bytea, prefix bytea, amount int, OUT id bytea, OUT name bytea, OUT info text)
RETURNS SETOF record LANGUAGE sql STABLE AS $$
  SELECT o.id, CASE WHEN m.matches THEN o.name END, CASE WHEN m.matches THEN latchkey.info(o) END
  FROM (SELECT * FROM latchkey.lock a WHERE a.id > after_id ORDER BY a.id LIMIT amount) o,
    LATERAL (SELECT substring(o.name FROM 1 FOR length(prefix)) = prefix AS matches) m
  ORDER BY o.id
$$;
