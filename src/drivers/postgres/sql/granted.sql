-- The answer to a claim that has the lock: "granted <fence> <ms left> <tokens that may be handed the lock on>".
CREATE OR REPLACE FUNCTION latchkey.granted(f int8, remains int8, m "char", i bytea, own int8) RETURNS text
LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN 'granted ' || f || ' ' || remains || ' ' ||
    CASE m WHEN 'w' THEN coalesce(array_to_string(latchkey.run_of(i, own), ','), '') ELSE '' END;
END $$;
