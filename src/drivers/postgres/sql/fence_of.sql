-- The fence of whom the writer's hold serves.
CREATE OR REPLACE FUNCTION latchkey.fence_of(l latchkey.lock) RETURNS int8 LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN l.served BETWEEN l.fence AND l.fence + 63 THEN l.served ELSE l.fence END
$$;
