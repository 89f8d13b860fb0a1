-- The whole ms from one time to another.
CREATE OR REPLACE FUNCTION latchkey.ms_until(t timestamptz, at timestamptz) RETURNS int8 LANGUAGE sql IMMUTABLE AS $$
  SELECT ceil(extract(epoch FROM t - at) * 1000)::int8
$$;
