-- Asks the first process in the queue that hears it to claim again when it may be its turn. own: the caller's process.
CREATE OR REPLACE FUNCTION latchkey.look_in(l latchkey.lock, own int8) RETURNS void LANGUAGE sql AS $$
  SELECT latchkey.tell(p.process, 'look-in ' || latchkey.time_left(l.id, p.most), p.token, l.name)
  -- The others look by themselves: a server has room for so many locks, which are kept until the transaction ends.
  FROM (SELECT * FROM (SELECT * FROM latchkey.place w WHERE w.id = l.id ORDER BY w.place LIMIT 1000) o
        WHERE o.process > 0
          AND (SELECT s.vouched FROM latchkey.stamp s WHERE s.id = o.id AND s.process = o.process) > clock_timestamp()
          AND (o.process = own OR NOT pg_try_advisory_xact_lock_shared(o.process))
        ORDER BY o.place LIMIT 1) p
$$;
