-- Claims a lock. n: its name; t: the token; m: w or r; most: the reader's limit; lasts: ms; own: the process;
-- vouch: ms for which the process vouches for its places, NULL to try once; patience: ms to wait for claims that came
-- first, and again for somebody else who has the row locked; with 0 it waits for nobody.
-- Answers "granted <fence> <ms left> <tokens that may be handed the lock on>", or "refused <ms until it may be its
-- turn: see time_left> <places before, at most 100> <true if it had a place already>".
CREATE OR REPLACE FUNCTION latchkey.claim(n bytea, t text, m "char", most float8, lasts int8, about text, own int8,
  vouch int8, patience int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  i bytea := sha256(n);
  setting text := set_config('lock_timeout', greatest(patience, 1)::text, true);
  at timestamptz;
  micros int8;
  l latchkey.lock;
  -- Its place counts from here, however long it waits for others.
  me latchkey.place := (i, t, CASE WHEN vouch IS NOT NULL THEN nextval('latchkey.places') END, m, most, lasts, about, own, NULL);
  f int8;
  mine int8;
  remains int8;
  kept bool;
  entered int := 0;
BEGIN
  -- One at a time, in the order in which they come: whoever waits for a row's lock may be passed.
  IF NOT pg_try_advisory_xact_lock(latchkey.turn_of(i)) THEN
    IF patience = 0 THEN RETURN latchkey.take_place(me, vouch); END IF;
    BEGIN
      PERFORM pg_advisory_xact_lock(latchkey.turn_of(i));
    EXCEPTION WHEN lock_not_available THEN
      RETURN latchkey.take_place(me, vouch);
    END;
  END IF;
  at := clock_timestamp();
  micros := extract(epoch FROM at) * 1000000;
  me.since := at;

  BEGIN
    IF patience = 0 THEN PERFORM FROM latchkey.lock o WHERE o.id = i FOR NO KEY UPDATE NOWAIT; END IF;
    IF m = 'w' THEN
      -- A free key that nobody awaits takes one statement. Nobody guards it: it was given back with its fence locked.
      UPDATE latchkey.lock o SET token = t, ends = at + latchkey.ms(lasts), since = at, meta = about, process = own,
        sequence = 0, revoked = false, rests = NULL, fence = greatest(o.last + 1, micros),
        last = greatest(o.last + 1, micros) + 63
      WHERE o.id = i AND o.token IS NULL AND NOT o.shared AND (o.rests IS NULL OR o.rests <= at)
        AND (o.refuses IS NULL OR o.refuses <= at)
        -- In order: for one of a lock in any order, the planner may read the places of all locks.
        AND (SELECT p.place FROM latchkey.place p WHERE p.id = i ORDER BY p.place LIMIT 1) IS NULL
      RETURNING o.fence INTO f;
      IF FOUND THEN RETURN 'granted ' || f || ' ' || lasts || ' '; END IF;
    END IF;

    -- It may have the lock already. Reading alone does not wait for a standby, which may have been given up on.
    SELECT h.fence, h.left_ms INTO f, remains FROM latchkey.hold_of(i, t) h;
    IF f IS NOT NULL THEN
      IF current_setting('synchronous_standby_names') <> '' THEN l := latchkey.open_row(i, n, greatest(patience, 1)); END IF;
      RETURN latchkey.granted(f, remains, m, i, own);
    END IF;

    SELECT p.place INTO mine FROM latchkey.place p WHERE p.id = i AND p.token = t;
    kept := FOUND;
    IF vouch IS NOT NULL THEN
      me.place := coalesce(mine, me.place);
      mine := me.place;
      -- Before the row is locked, so that whoever frees the lock meanwhile either sees it or is waited for.
      IF NOT kept THEN INSERT INTO latchkey.place VALUES (me.*) ON CONFLICT (id, token) DO NOTHING; END IF;
    END IF;
    l := latchkey.open_row(i, n, greatest(patience, 1));
    IF l.refuses > at AND EXISTS (SELECT FROM latchkey.departed d WHERE d.id = i AND d.token = t AND d.until > at) THEN
      DELETE FROM latchkey.place p WHERE p.id = i AND p.token = t;
      RETURN 'refused 0 0 false';
    END IF;
    IF vouch IS NOT NULL THEN PERFORM latchkey.vouch_for(i, own, vouch); END IF;

    IF l.token = t OR l.shared THEN
      SELECT h.fence, h.left_ms INTO f, remains FROM latchkey.hold_of(i, t) h;
      IF f IS NOT NULL THEN
        DELETE FROM latchkey.place p WHERE p.id = i AND p.token = t;
        RETURN latchkey.granted(f, remains, m, i, own);
      END IF;
    END IF;
    IF l.token IS NULL OR l.ends <= clock_timestamp() THEN
      SELECT h.got, h.entered INTO f, entered FROM latchkey.hand_over(l, false, own, me) h;
      IF f IS NOT NULL THEN RETURN latchkey.granted(f, lasts, m, i, own); END IF;
    END IF;
    -- A place that a crash takes is asked for again, so its commit is not waited for; that of a grant is.
    IF entered = 0 THEN setting := set_config('synchronous_commit', 'off', true); END IF;
    RETURN 'refused ' || latchkey.time_left(i, most) || ' ' || latchkey.places_before(i, mine) || ' ' || kept;
  EXCEPTION WHEN lock_not_available THEN
    RETURN latchkey.take_place(me, vouch);
  END;
END $$;
