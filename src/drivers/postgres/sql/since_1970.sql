-- A time as ms since 1970.
CREATE OR REPLACE FUNCTION latchkey.since_1970(t timestamptz) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT extract(epoch FROM t)::float8 * 1000
$$;
