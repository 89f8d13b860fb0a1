-- How many places come before one, at most 100; with NULL, how many there are.
CREATE OR REPLACE FUNCTION latchkey.places_before(i bytea, mine int8) RETURNS int8 LANGUAGE sql STABLE AS $$
  SELECT count(*)
  FROM (SELECT FROM latchkey.place p WHERE p.id = i AND (mine IS NULL OR p.place < mine)
    -- In this order the planner reads those of this lock alone.
    ORDER BY p.place LIMIT 100) b
$$;
