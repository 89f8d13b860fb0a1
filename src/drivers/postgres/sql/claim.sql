-- Claims a lock. n: its name; t: the token; m: w or r; most: the reader's limit; lasts: ms; own: the process;
-- vouch: ms for which the process vouches for its places, NULL to try once; blind: to take the place and no more, where
-- somebody else has the row locked.
-- Answers "granted <fence> <ms left> <tokens that may be handed the lock on>", or "refused <ms until the last holder's
-- time is up> <places before, at most 100> <true if it had a place already>".
CREATE OR REPLACE FUNCTION latchkey.claim(n bytea, t text, m "char", most float8, lasts int8, about text, own int8,
  vouch int8, blind bool) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  i bytea := sha256(n);
  at timestamptz := clock_timestamp();
  micros int8 := extract(epoch FROM at) * 1000000;
  setting text := set_config('lock_timeout', '50ms', true);
  l latchkey.lock;
  me latchkey.place;
  f int8;
  mine int8;
  remains float8;
  kept bool := false;
  entered int := 0;
BEGIN
  IF m = 'w' AND NOT blind THEN
    -- A free key that nobody awaits takes one statement. Nobody guards it: it was given back with its fence locked.
    UPDATE latchkey.lock o SET token = t, ends = at + latchkey.ms(lasts), since = at, meta = about, process = own,
      sequence = 0, revoked = false, rests = NULL, fence = greatest(o.last + 1, micros),
      last = greatest(o.last + 1, micros) + 63
    WHERE o.id = i AND o.token IS NULL AND NOT o.shared AND (o.rests IS NULL OR o.rests <= at)
      AND (o.refuses IS NULL OR o.refuses <= at) AND NOT EXISTS (SELECT FROM latchkey.place p WHERE p.id = i)
    RETURNING o.fence INTO f;
    IF FOUND THEN RETURN 'granted ' || f || ' ' || lasts || ' '; END IF;
  END IF;

  -- It may have the lock already. Reading alone does not wait for a standby, which may have been given up on.
  SELECT h.fence, h.left_ms INTO f, remains FROM latchkey.hold_of(i, t) h;
  IF f IS NOT NULL THEN
    IF current_setting('synchronous_standby_names') <> '' THEN l := latchkey.open_row(i, n, '50ms'); END IF;
    RETURN latchkey.granted(f, remains, m, i, own);
  END IF;

  me := (i, t, NULL, m, most, lasts, about, own, at);
  SELECT p.place INTO mine FROM latchkey.place p WHERE p.id = i AND p.token = t;
  kept := FOUND;
  IF vouch IS NOT NULL THEN
    me.place := coalesce(mine, nextval('latchkey.places'));
    mine := me.place;
    -- Before the row is locked, so that whoever frees the lock meanwhile either sees it or is waited for.
    IF NOT kept THEN INSERT INTO latchkey.place VALUES (me.*) ON CONFLICT (id, token) DO NOTHING; END IF;
  END IF;
  IF blind THEN
    SELECT * INTO l FROM latchkey.lock o WHERE o.id = i;
  ELSE
    l := latchkey.open_row(i, n, '50ms');
  END IF;
  IF l.refuses > at AND EXISTS (SELECT FROM latchkey.departed d WHERE d.id = i AND d.token = t AND d.until > at) THEN
    DELETE FROM latchkey.place p WHERE p.id = i AND p.token = t;
    RETURN 'refused 0 0 false';
  END IF;
  IF vouch IS NOT NULL THEN
    INSERT INTO latchkey.stamp VALUES (i, own, at + latchkey.ms(vouch))
    ON CONFLICT (id, process) DO UPDATE SET vouched = excluded.vouched, missed = NULL;
  END IF;
  IF blind THEN
    setting := set_config('synchronous_commit', 'off', true);
    RETURN 'refused 200 0 ' || kept;
  END IF;

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
  RETURN 'refused ' || latchkey.time_left(i) || ' ' || latchkey.places_before(i, mine) || ' ' || kept;
END $$;
