-- Renews holds: of the lock names[k], tokens[k] is to last for ttls[k] ms from now; numbers[k] grows with each renewal of
-- a hold; served[k] and metas[k]: the fence and the metadata of whom it serves since it was handed on, or 0 and ''. own:
-- the process, NULL to leave it as it is. waits: whether to wait for 50 ms for a row that is locked, and then to fail with
-- 55P03.
-- Answers for each: -1 renewed, -2 lost, -3 the row is locked by somebody else, else the ms left of a revoked hold, 0 of one
-- that is over.
CREATE OR REPLACE FUNCTION latchkey.renew(names bytea[], tokens text[], ttls int8[], numbers int8[],
  served int8[], metas text[], own int8, waits bool) RETURNS int8[] LANGUAGE plpgsql AS $$
DECLARE
  answers int8[];
  h record;
  k int;
  i bytea;
  at timestamptz;
BEGIN
  PERFORM set_config('lock_timeout', '50ms', true);
  FOR k IN 1..cardinality(names) LOOP
    i := sha256(names[k]);
    IF waits THEN
      PERFORM FROM latchkey.lock o WHERE o.id = i FOR NO KEY UPDATE;
    ELSE
      PERFORM FROM latchkey.lock o WHERE o.id = i FOR NO KEY UPDATE SKIP LOCKED;
    END IF;
    IF NOT FOUND THEN
      answers[k] := CASE WHEN EXISTS (SELECT FROM latchkey.lock o WHERE o.id = i) THEN -3 ELSE -2 END;
      CONTINUE;
    END IF;
    at := clock_timestamp();
    SELECT o.ends, o.sequence, o.revoked, false AS shared INTO h FROM latchkey.lock o
      WHERE o.id = i AND o.token = tokens[k];
    IF NOT FOUND THEN
      SELECT s.ends, s.sequence, s.revoked, true AS shared INTO h FROM latchkey.share s
        WHERE s.id = i AND s.token = tokens[k];
    END IF;
    IF h.ends IS NULL OR h.ends <= at THEN
      answers[k] := CASE WHEN EXISTS (SELECT FROM latchkey.departed d
        WHERE d.id = i AND d.token = ' ' || tokens[k] AND d.until > at) THEN 0 ELSE -2 END;
      CONTINUE;
    END IF;
    IF h.revoked THEN
      answers[k] := floor(extract(epoch FROM h.ends - at) * 1000);
      CONTINUE;
    END IF;
    answers[k] := -1;
    CONTINUE WHEN numbers[k] <= h.sequence;
    IF h.shared THEN
      UPDATE latchkey.share s SET ends = at + latchkey.ms(ttls[k]), sequence = numbers[k], process = coalesce(own, process)
        WHERE s.id = i AND s.token = tokens[k];
    ELSE
      UPDATE latchkey.lock o SET ends = at + latchkey.ms(ttls[k]), sequence = numbers[k], process = coalesce(own, process),
        served = coalesce(nullif(renew.served[k], 0), o.served), meta = coalesce(nullif(metas[k], ''), o.meta)
        WHERE o.id = i;
    END IF;
  END LOOP;
  RETURN answers;
END $$;
