-- Deletes what has been idle for a day, among some rows after the id after_id. Answers the last id it looked at, NULL at
-- the end; and how many rows it deleted of locks, of readers, and of tokens that left. A fence is not told again: it is
-- larger than the µs of the time it was given at.
CREATE OR REPLACE FUNCTION latchkey.sweep(after_id bytea, amount int, OUT final bytea, OUT deleted int)
LANGUAGE plpgsql AS $$
DECLARE
  l record;
  at timestamptz := clock_timestamp() - interval '1 day';
  seen int := 0;
  shares int := 0;
  gone int;
BEGIN
  -- A queue of notifications that was full stays so until somebody asks.
  PERFORM pg_notification_queue_usage();
  DELETE FROM latchkey.departed d WHERE d.ctid = ANY (ARRAY(
    SELECT o.ctid FROM latchkey.departed o WHERE o.until < clock_timestamp() LIMIT amount FOR UPDATE SKIP LOCKED));
  GET DIAGNOSTICS deleted = ROW_COUNT;
  FOR l IN SELECT o.id, o.last, o.ends, o.token, o.rests, o.salt FROM latchkey.lock o WHERE o.id > after_id ORDER BY o.id LIMIT amount LOOP
    seen := seen + 1;
    final := l.id;
    DELETE FROM latchkey.stamp s WHERE s.id = l.id AND s.vouched < at;
    CONTINUE WHEN to_timestamp(l.last / 1000000.0) > at OR (l.token IS NOT NULL AND l.ends > at) OR l.rests > at;
    PERFORM FROM latchkey.lock o WHERE o.id = l.id AND o.last = l.last FOR UPDATE SKIP LOCKED;
    CONTINUE WHEN NOT FOUND;
    DELETE FROM latchkey.place p WHERE p.id = l.id AND p.since < at
      AND NOT EXISTS (SELECT FROM latchkey.stamp s WHERE s.id = l.id AND s.process = p.process);
    -- Not all at once: a server has room for so many locks, which are kept until the transaction ends.
    DELETE FROM latchkey.share s WHERE s.id = l.id AND s.token = ANY (ARRAY(
      SELECT o.token FROM latchkey.share o
      WHERE o.id = l.id AND o.ends < at AND pg_try_advisory_xact_lock(o.fence # l.salt) LIMIT amount - shares));
    GET DIAGNOSTICS gone = ROW_COUNT;
    shares := shares + gone;
    DELETE FROM latchkey.lock o WHERE o.id = l.id
      AND (o.token IS NULL OR o.ends < at AND pg_try_advisory_xact_lock(o.fence # o.salt))
      AND (o.refuses IS NULL OR o.refuses <= clock_timestamp())
      AND NOT EXISTS (SELECT FROM latchkey.place p WHERE p.id = l.id)
      AND NOT EXISTS (SELECT FROM latchkey.share s WHERE s.id = l.id)
      AND NOT EXISTS (SELECT FROM latchkey.stamp s WHERE s.id = l.id);
    GET DIAGNOSTICS gone = ROW_COUNT;
    deleted := deleted + gone;
  END LOOP;
  deleted := deleted + shares;
  IF seen < amount THEN final := NULL; END IF;
END $$;
