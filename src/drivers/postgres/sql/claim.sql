-- Claims a lock. n: its name; t: the token; m: 'w' or 'r'; most: the reader's limit; lasts: ms; own: the process;
-- vouch: ms for which the process vouches for its places, NULL to try once; blind: to take the place and no more, where
-- somebody else has the row locked.
-- Answers the fence, the ms left and who may be handed the lock on; or no fence, the ms until the last holder's time is
-- up, how many places come before (at most 100), and whether it had a place already.
CREATE OR REPLACE FUNCTION latchkey.claim(n bytea, t text, m "char", most float8, lasts int8, about text, own int8, vouch int8,
  blind bool, OUT fence int8, OUT left_ms float8, OUT run text[], OUT before int8, OUT kept bool) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  i bytea := sha256(n);
  l latchkey.lock;
  me latchkey.place;
  entered int;
  at timestamptz := clock_timestamp();
BEGIN
  before := 0;
  kept := false;
  IF m = 'w' AND NOT blind THEN
    -- A free key that nobody awaits takes one statement. It was given back under FOR UPDATE, so nobody guards it.
    PERFORM set_config('lock_timeout', '50ms', true);
    UPDATE latchkey.lock o SET token = t, ends = at + latchkey.ms(lasts), since = at, meta = about, process = own,
      sequence = 0, revoked = false, rests = NULL,
      fence = greatest(o.last + 1, (extract(epoch FROM at) * 1000000)::int8),
      last = greatest(o.last + 1, (extract(epoch FROM at) * 1000000)::int8) + 63
    WHERE o.id = i AND o.token IS NULL AND NOT o.shared AND (o.rests IS NULL OR o.rests <= at)
      AND NOT EXISTS (SELECT FROM latchkey.place p WHERE p.id = i)
    RETURNING o.fence, lasts INTO fence, left_ms;
    IF FOUND THEN
      IF EXISTS (SELECT FROM latchkey.departed d WHERE d.id = i AND d.token = t AND d.until > at) THEN
        UPDATE latchkey.lock o SET token = NULL WHERE o.id = i;
        fence := NULL;
        left_ms := 0;
      END IF;
      RETURN;
    END IF;
  END IF;

  -- It may have the lock already. Reading alone does not wait for a standby, which may have been given up on.
  SELECT h.fence, h.left_ms INTO fence, left_ms FROM latchkey.hold_of(i, t) h;
  IF fence IS NOT NULL THEN
    IF current_setting('synchronous_standby_names') <> '' THEN
      PERFORM latchkey.open_row(i, n, '50ms');
    END IF;
    IF m = 'w' THEN run := latchkey.run_of(i, own); END IF;
    RETURN;
  END IF;

  IF vouch IS NOT NULL THEN
    -- Before the row is locked, so that whoever frees the lock meanwhile either sees it or is waited for.
    INSERT INTO latchkey.place
      SELECT i, t, nextval('latchkey.places'), m, most, lasts, about, own, at
      WHERE NOT EXISTS (SELECT FROM latchkey.place p WHERE p.id = i AND p.token = t)
    ON CONFLICT (id, token) DO NOTHING;
    kept := NOT FOUND;
  END IF;
  IF NOT blind THEN
    l := latchkey.open_row(i, n, '50ms');
  END IF;
  IF EXISTS (SELECT FROM latchkey.departed d WHERE d.id = i AND d.token = t AND d.until > at) THEN
    DELETE FROM latchkey.place p WHERE p.id = i AND p.token = t;
    left_ms := 0;
    kept := false;
    RETURN;
  END IF;
  IF vouch IS NOT NULL THEN
    INSERT INTO latchkey.stamp VALUES (i, own, at + latchkey.ms(vouch))
    ON CONFLICT (id, process) DO UPDATE SET vouched = excluded.vouched, missed = NULL;
  END IF;
  IF blind THEN
    PERFORM latchkey.relax();
    left_ms := 200;
    RETURN;
  END IF;

  SELECT h.fence, h.left_ms INTO fence, left_ms FROM latchkey.hold_of(i, t) h;
  IF fence IS NOT NULL THEN
    DELETE FROM latchkey.place p WHERE p.id = i AND p.token = t;
  ELSE
    me := (i, t, NULL, m, most, lasts, about, own, at);
    IF vouch IS NOT NULL THEN
      SELECT p.place INTO me.place FROM latchkey.place p WHERE p.id = i AND p.token = t;
    END IF;
    SELECT h.got, h.entered INTO fence, entered FROM latchkey.hand_over(l, false, own, me) h;
    left_ms := lasts;
    IF entered = 0 THEN PERFORM latchkey.relax(); END IF;
  END IF;
  IF fence IS NULL THEN
    left_ms := latchkey.time_left(i);
    SELECT count(*) INTO before FROM
      (SELECT FROM latchkey.place p WHERE p.id = i AND (me.place IS NULL OR p.place < me.place) LIMIT 100) b;
  ELSIF m = 'w' THEN
    run := latchkey.run_of(i, own);
  END IF;
END $$;
