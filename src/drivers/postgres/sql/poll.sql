-- For a process that gets no messages: which of the claims names[k], tokens[k] have been granted, and under what fences.
CREATE OR REPLACE FUNCTION latchkey.poll(names bytea[], tokens text[], OUT k int8, OUT fence int8)
RETURNS SETOF record LANGUAGE sql STABLE AS $$
  SELECT c.k, h.fence FROM unnest(names, tokens) WITH ORDINALITY c(name, token, k),
    LATERAL latchkey.hold_of(sha256(c.name), c.token) h
  WHERE h.fence IS NOT NULL
$$;
