-- Ends a hold, and hands the lock over. n: the lock's name; t: the token; served: the tokens of the run that it served;
-- used: the last fence it was used under, or 0; rest: ms for which nobody gets it, or a reader's share; late: whether
-- claims of these tokens may still come; own: the process.
-- Answers whether the hold lasted until now. Fails with LK002 while a transaction guards it.
CREATE OR REPLACE FUNCTION latchkey.free(n bytea, t text, served text[], used int8, rest int8, late bool, own int8)
RETURNS bool LANGUAGE plpgsql AS $$
DECLARE
  i bytea := sha256(n);
  setting text := set_config('lock_timeout', '500ms', true);
  l latchkey.lock;
  s latchkey.share;
  at timestamptz;
  held bool := false;
  entered int;
  told bool;
BEGIN
  IF rest = 0 AND NOT late AND served = '{}' THEN
    -- A key that nobody awaits takes one statement, and one look at the queue.
    UPDATE latchkey.lock o SET token = NULL, last = greatest(o.last, used)
    WHERE o.id = i AND o.token = t AND o.ends > clock_timestamp() AND pg_try_advisory_xact_lock(o.fence # o.salt);
    IF FOUND THEN
      held := true;
      -- In order, here and below: for one of a lock in any order, the planner may read the rows of all locks.
      IF (SELECT p.place FROM latchkey.place p WHERE p.id = i ORDER BY p.place LIMIT 1) IS NULL THEN
        setting := set_config('synchronous_commit', 'off', true);
        RETURN true;
      END IF;
    END IF;
  END IF;
  l := latchkey.open_row(i, n, 500);
  at := clock_timestamp();
  IF l.token = t THEN
    PERFORM latchkey.unguarded(l.fence # l.salt);
    held := l.ends > at;
    l.token := NULL;
  ELSIF l.shared THEN
    DELETE FROM latchkey.share o WHERE o.id = i AND o.token = t RETURNING * INTO s;
    IF FOUND THEN PERFORM latchkey.unguarded(s.fence # l.salt); END IF;
    held := held OR coalesce(s.ends > at, false);
  END IF;
  DELETE FROM latchkey.place p WHERE p.id = i AND p.token = ANY (served || t);
  -- Of readers whom nobody waits for, one leaves without a look at the others.
  IF rest = 0 AND NOT late AND used <= l.last AND s.token IS NOT NULL
    AND (SELECT p.place FROM latchkey.place p WHERE p.id = i ORDER BY p.place LIMIT 1) IS NULL
    AND (SELECT o.token FROM latchkey.share o WHERE o.id = i ORDER BY o.token LIMIT 1) IS NOT NULL THEN
    setting := set_config('synchronous_commit', 'off', true);
    RETURN held;
  END IF;
  IF held THEN l.last := greatest(l.last, used); END IF;
  IF NOT held THEN rest := 0; END IF;
  IF rest > 0 AND s.token IS NULL THEN
    l.rests := at + latchkey.ms(rest);
  ELSIF rest > 0 THEN
    s.token := ' ' || t;
    s.ends := at + latchkey.ms(rest);
    s.rests := true;
    INSERT INTO latchkey.share VALUES (s.*) ON CONFLICT (id, token) DO UPDATE SET ends = excluded.ends;
  END IF;
  IF late THEN l.refuses := latchkey.depart(i, served || t); END IF;
  SELECT h.entered, h.told INTO entered, told FROM latchkey.hand_over(l, true, own, NULL) h;
  IF rest > 0 THEN
    IF NOT told THEN PERFORM latchkey.look_in(l, own); END IF;
  ELSIF entered = 0 THEN
    -- A release that a crash undoes ends with the time of the hold, so its commit is not waited for; that of a grant is.
    setting := set_config('synchronous_commit', 'off', true);
  END IF;
  RETURN held;
END $$;
