-- Remembers for a minute that claims of these tokens are to be refused.
CREATE OR REPLACE FUNCTION latchkey.depart(i bytea, tokens text[]) RETURNS void LANGUAGE sql AS $$
  INSERT INTO latchkey.departed SELECT DISTINCT i, u, clock_timestamp() + interval '60 s' FROM unnest(tokens) u
  ON CONFLICT (id, token) DO UPDATE SET until = excluded.until
$$;
