-- The process lives: its places in the queue count for so many ms.
CREATE OR REPLACE FUNCTION latchkey.vouch_for(i bytea, own int8, lasts int8) RETURNS void LANGUAGE sql AS $$
  INSERT INTO latchkey.stamp VALUES (i, own, clock_timestamp() + latchkey.ms(lasts))
  ON CONFLICT (id, process) DO UPDATE SET vouched = excluded.vouched, missed = NULL
$$;
