-- Remembers for a minute that claims of these tokens are to be refused; answers until when.
CREATE OR REPLACE FUNCTION latchkey.depart(i bytea, tokens text[]) RETURNS timestamptz LANGUAGE plpgsql AS $$
DECLARE
  at timestamptz := clock_timestamp() + interval '60 s';
BEGIN
  INSERT INTO latchkey.departed SELECT DISTINCT i, u, at FROM unnest(tokens) u
  ON CONFLICT (id, token) DO UPDATE SET until = excluded.until;
  RETURN at;
END $$;
