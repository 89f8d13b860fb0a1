-- What a claim of the lock locks for as long as it takes.
CREATE OR REPLACE FUNCTION latchkey.turn_of(i bytea) RETURNS int8 LANGUAGE sql IMMUTABLE AS $$
  SELECT ('x' || encode(substring(i FROM 1 FOR 8), 'hex'))::bit(64)::int8
$$;
