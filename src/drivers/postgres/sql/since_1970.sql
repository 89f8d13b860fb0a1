-- A time as whole ms since 1970.
CREATE OR REPLACE FUNCTION latchkey.since_1970(t timestamptz) RETURNS int8 LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT floor(extract(epoch FROM t) * 1000)::int8
$$;
