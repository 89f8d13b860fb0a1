-- Gives up the places of tokens, and what was granted to them meanwhile, and hands the lock over. n: the lock's name;
-- late: whether claims of the tokens may still come; own: the process; blind: to give up places and no more, where
-- somebody else has the row locked.
-- Fails with LK002 while a transaction guards such a hold; with 55P03 blindly where there is one.
CREATE OR REPLACE FUNCTION latchkey.leave(n bytea, tokens text[], late bool, own int8, blind bool) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  i bytea := sha256(n);
  setting text;
  l latchkey.lock;
  entered int := 0;
  at timestamptz;
  waited bool;
  tells bool;
  told bool;
BEGIN
  IF NOT blind THEN
    l := latchkey.open_row(i, n, 20);
  END IF;
  DELETE FROM latchkey.place p WHERE p.id = i AND p.token = ANY (tokens);
  waited := FOUND;
  at := clock_timestamp();
  IF late THEN l.refuses := latchkey.depart(i, tokens); END IF;
  IF blind THEN
    IF late OR EXISTS (SELECT FROM unnest(tokens) u, LATERAL latchkey.hold_of(i, u) h WHERE h.fence IS NOT NULL) THEN
      RAISE lock_not_available;
    END IF;
  ELSE
    IF l.token = ANY (tokens) THEN
      PERFORM latchkey.unguarded(l.fence # l.salt);
      l.token := NULL;
    END IF;
    IF l.shared THEN
      PERFORM latchkey.unguarded(s.fence # l.salt) FROM latchkey.share s WHERE s.id = i AND s.token = ANY (tokens);
      DELETE FROM latchkey.share s WHERE s.id = i AND s.token = ANY (tokens);
    END IF;
    -- One of them may have been told when the key has rested, or a revoked hold ends. What ends later than in 5 s, those who
    -- wait see by themselves in time.
    tells := waited AND (l.rests > at OR l.token IS NOT NULL AND l.revoked AND l.ends > at
      -- In order: for one of a lock in any order, the planner may read the readers of all locks.
      OR l.shared AND (SELECT s.token FROM latchkey.share s
        WHERE s.id = i AND s.ends > at AND s.ends <= at + interval '5 s' ORDER BY s.token LIMIT 1) IS NOT NULL);
    SELECT h.entered, h.told INTO entered, told FROM latchkey.hand_over(l, true, own, NULL) h;
    IF tells AND NOT told THEN PERFORM latchkey.look_in(l, own); END IF;
  END IF;
  IF entered = 0 THEN setting := set_config('synchronous_commit', 'off', true); END IF;
END $$;
