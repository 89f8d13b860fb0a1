-- So many ms as an interval.
CREATE OR REPLACE FUNCTION latchkey.ms(n int8) RETURNS interval LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT n * interval '1 ms'
$$;
