-- Asks the first process in the queue that hears it to claim again when it may be its turn. own: the caller's process.
CREATE OR REPLACE FUNCTION latchkey.look_in(l latchkey.lock, own int8) RETURNS void LANGUAGE sql AS $$
  SELECT latchkey.tell(p.process, 'look-in ' || latchkey.time_left(l.id, p.most), p.token, l.name)
  FROM (SELECT * FROM latchkey.place o
        WHERE o.id = l.id AND o.process > 0 AND (o.process = own OR NOT pg_try_advisory_xact_lock_shared(o.process))
        ORDER BY o.place LIMIT 1) p
$$;
