-- Sends what to the process, with the token, the lock's name and the tokens of the run; it is sent when the transaction
-- commits. A notification has 7,999 bytes at most: those of the run that do not fit are left out. Where not even the name
-- does, nothing is sent: the process looks by itself.
CREATE OR REPLACE FUNCTION latchkey.tell(process int8, what text, token text, name bytea, run text[] DEFAULT NULL)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  message text := what || ' ' || token || ' ' || encode(name, 'base64') || ' ';
BEGIN
  IF process > 0 AND length(message) < 7990 THEN
    PERFORM pg_notify('latchkey_' || to_hex(process), message ||
      regexp_replace(left(array_to_string(run || ''::text, ','), 7990 - length(message)), '[^,]*$', ''));
  END IF;
END $$;
