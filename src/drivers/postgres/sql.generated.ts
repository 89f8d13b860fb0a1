// Generated from sql/*.sql by scripts/generate-sql.mjs. Do not edit.

export const TABLES = `-- What is stored. Ids are sha256 of a lock's full name, for an index holds no long name and text holds no NUL.
-- Tokens are percent-encoded; meta is JSON in ASCII; process is a driver's number: negative where it cannot be told
-- whether it is gone.

-- One row a lock, which outlives its holds: whoever changes a hold or the queue has locked it. A writer's hold is in it.
CREATE TABLE latchkey.lock (
  id bytea PRIMARY KEY,
  name bytea NOT NULL,
  last int8 NOT NULL,                 -- the last fence that was given or reserved
  -- Guards and those who end a hold lock its fence with this, for fences of other locks may be the same.
  salt int8 NOT NULL DEFAULT (random() * 9e18)::int8,
  shared bool NOT NULL DEFAULT false, -- whether there may be rows in share
  rests timestamptz,                  -- until when nobody gets it
  refuses timestamptz,                -- until when there may be rows in departed
  token text COLLATE "C", fence int8, ends timestamptz, since timestamptz, meta text, process int8,
  sequence int8,                      -- of the last renewal
  served int8,                        -- the fence of whom the hold serves since it was handed on, if it is one of its fences
  revoked bool
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

-- The holds of readers; with rests, one that is over and keeps its share until it ends.
CREATE TABLE latchkey.share (
  id bytea, token text COLLATE "C", fence int8 NOT NULL, ends timestamptz NOT NULL, since timestamptz NOT NULL,
  meta text NOT NULL, process int8 NOT NULL, sequence int8 NOT NULL, revoked bool NOT NULL, most float8 NOT NULL,
  rests bool NOT NULL DEFAULT false,
  PRIMARY KEY (id, token)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

-- The queues.
CREATE SEQUENCE latchkey.places;
CREATE TABLE latchkey.place (
  id bytea, token text COLLATE "C", place int8 NOT NULL, mode "char" NOT NULL, most float8 NOT NULL, ttl int8 NOT NULL,
  meta text NOT NULL, process int8 NOT NULL, since timestamptz NOT NULL, PRIMARY KEY (id, token)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE UNIQUE INDEX place_order ON latchkey.place (id, place);

-- What the processes say of their places.
CREATE TABLE latchkey.stamp (
  id bytea, process int8,
  vouched timestamptz NOT NULL,       -- until when they count
  missed timestamptz,                 -- when the process was first found gone
  PRIMARY KEY (id, process)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

-- Tokens that left while a claim of theirs was on its way, and, after a space, those whose hold was revoked.
CREATE TABLE latchkey.departed (
  id bytea, token text COLLATE "C", until timestamptz NOT NULL, PRIMARY KEY (id, token)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

-- With a key, so that it can be changed where all tables are published.
CREATE TABLE latchkey.version (version int PRIMARY KEY);`;

export const FUNCTIONS: readonly string[] = [
  `-- Claims a lock. n: its name; t: the token; m: w or r; most: the reader's limit; lasts: ms; own: the process;
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
END $$;`,
  `-- Remembers for a minute that claims of these tokens are to be refused; answers until when.
CREATE OR REPLACE FUNCTION latchkey.depart(i bytea, tokens text[]) RETURNS timestamptz LANGUAGE plpgsql AS $$
DECLARE
  at timestamptz := clock_timestamp() + interval '60 s';
BEGIN
  INSERT INTO latchkey.departed SELECT DISTINCT i, u, at FROM unnest(tokens) u
  ON CONFLICT (id, token) DO UPDATE SET until = excluded.until;
  RETURN at;
END $$;`,
  `-- The fence of whom the writer's hold serves.
CREATE OR REPLACE FUNCTION latchkey.fence_of(l latchkey.lock) RETURNS int8 LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN l.served BETWEEN l.fence AND l.fence + 63 THEN l.served ELSE l.fence END
$$;`,
  `-- Ends a hold, and hands the lock over. n: the lock's name; t: the token; served: the tokens of the run that it served;
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
END $$;`,
  `-- The answer to a claim that has the lock: "granted <fence> <ms left> <tokens that may be handed the lock on>".
CREATE OR REPLACE FUNCTION latchkey.granted(f int8, remains int8, m "char", i bytea, own int8) RETURNS text
LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN 'granted ' || f || ' ' || remains || ' ' ||
    CASE m WHEN 'w' THEN coalesce(array_to_string(latchkey.run_of(i, own), ','), '') ELSE '' END;
END $$;`,
  `-- For a transaction of the user's own: fails with LK001 unless all these locks are held, and then keeps them from being
-- given to anybody else until the transaction ends. Renewal goes on meanwhile. names: the locks; fences: a fence of each
-- hold. Fails with 40001 in a transaction whose snapshot may be older than the hold, and with 25006 on a standby.
CREATE OR REPLACE FUNCTION latchkey.guard(names bytea[], fences int8[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  i bytea;
  f int8;
BEGIN
  -- There it would find the hold, and keep nobody from anything.
  IF pg_is_in_recovery() THEN
    RAISE read_only_sql_transaction USING MESSAGE = 'a guard needs the primary, and this is a standby';
  END IF;
  FOR k IN 1..cardinality(names) LOOP
    i := sha256(names[k]);
    f := fences[k];
    -- Whoever ends a hold locks the first of its fences exclusively: when this is not made to wait, it has not ended.
    PERFORM pg_advisory_xact_lock_shared(o.salt #
      CASE WHEN o.token IS NOT NULL AND f BETWEEN o.fence AND o.fence + 63 THEN o.fence ELSE f END)
    FROM latchkey.lock o WHERE o.id = i;
    IF current_setting('transaction_isolation') <> 'read committed' THEN
      BEGIN
        -- Fails if the row has changed since the snapshot; else the row's lock goes with the block.
        PERFORM FROM latchkey.lock o WHERE o.id = i FOR SHARE;
        PERFORM FROM latchkey.share s WHERE s.id = i AND s.fence = f FOR SHARE;
        RAISE EXCEPTION USING ERRCODE = 'LK000';
      EXCEPTION WHEN SQLSTATE 'LK000' THEN
      END;
    END IF;
    IF NOT EXISTS (
      SELECT FROM latchkey.lock o WHERE o.id = i AND o.token IS NOT NULL AND f BETWEEN o.fence AND o.fence + 63
        AND o.ends > clock_timestamp()
      UNION ALL SELECT FROM latchkey.share s WHERE s.id = i AND s.fence = f AND NOT s.rests AND s.ends > clock_timestamp()
    ) THEN
      RAISE EXCEPTION 'the lock is not held under fence %', f USING ERRCODE = 'LK001';
    END IF;
  END LOOP;
END $$;`,
  `-- Hands the lock to the first live places that fit, and writes its row.
-- l: the row as it is to be, which the caller has locked; changed: whether that differs from what is stored.
-- own: the caller's process. me: the claim that is being made: with a place, its process has vouched just now; without, it
-- enters last, and only if nobody waits.
-- Answers the fence of me, NULL if it did not enter; how many entered; and whether the next one was told when a share ends.
CREATE OR REPLACE FUNCTION latchkey.hand_over(l latchkey.lock, changed bool, own int8, me latchkey.place, OUT got int8,
  OUT entered int, OUT told bool) LANGUAGE plpgsql AS $$
DECLARE
  at timestamptz := clock_timestamp();
  w latchkey.place;
  stamp latchkey.stamp;
  -- How many share the lock, once that matters.
  inside int8 := CASE WHEN l.shared THEN NULL ELSE 0 END;
  room float8;
  over bool;
  missing bool;
  gone int8[] := '{}';
  behind int8 := 0;
  looks int := 0;
  soon bool := false;
BEGIN
  entered := 0;
  told := false;
  -- A transaction that guards a hold has its fence locked, and nobody else gets the lock before that ends.
  IF l.token IS NOT NULL AND l.ends <= at AND pg_try_advisory_xact_lock(l.fence # l.salt) THEN
    l.token := NULL;
    changed := true;
  END IF;
  IF l.token IS NULL AND (l.rests IS NULL OR l.rests <= at) THEN
    IF l.shared AND me.mode = 'r' AND me.most = 'Infinity' THEN
      -- Where all are such readers, nobody counts them. Tokens are random, and so are the few that come next in order.
      -- That of one that rests begins with a space.
      DELETE FROM latchkey.share s WHERE s.id = l.id AND s.token = ANY (ARRAY(
        SELECT o.token FROM (
          (SELECT * FROM latchkey.share a WHERE a.id = l.id AND a.token > me.token ORDER BY a.token LIMIT 20)
          UNION ALL
          (SELECT * FROM latchkey.share a WHERE a.id = l.id AND a.token > ' ' || me.token ORDER BY a.token LIMIT 20)) o
        WHERE o.ends <= at AND pg_try_advisory_xact_lock(o.fence # l.salt)));
    END IF;
    LOOP
      -- Not from the first one each time: those that are deleted here are in the index until the transaction ends.
      SELECT * INTO w FROM latchkey.place p WHERE p.id = l.id AND p.place > behind AND p.process <> ALL (gone)
        ORDER BY p.place LIMIT 1;
      behind := w.place;
      looks := looks + 1;
      IF NOT FOUND THEN
        EXIT WHEN me.token IS NULL OR me.place IS NOT NULL OR got IS NOT NULL;
        w := me;
      ELSIF looks > 1000 THEN
        -- The rest later: a statement that takes seconds holds up all who want the lock, and counts as a silent server.
        PERFORM latchkey.tell(w.process, 'look-in 0', w.token, l.name);
        EXIT;
      ELSIF w.process <> own OR me.place IS NULL THEN
        SELECT * INTO stamp FROM latchkey.stamp o WHERE o.id = l.id AND o.process = w.process;
        -- Whoever lives holds its number, on the session on which it listens. One that reconnects keeps its places.
        missing := w.process > 0 AND w.process <> own AND pg_try_advisory_xact_lock_shared(w.process);
        IF stamp.vouched IS NULL OR stamp.vouched <= at OR missing AND stamp.missed <= at - interval '3 s' THEN
          -- It and those right behind it: the others are looked at when it is their turn.
          DELETE FROM latchkey.place p WHERE p.id = l.id AND p.process = w.process AND p.place >= w.place AND p.place <
            (SELECT coalesce(min(o.place), 9223372036854775807) FROM latchkey.place o
             WHERE o.id = l.id AND o.process <> w.process AND o.place > w.place);
          CONTINUE;
        END IF;
        IF missing THEN
          UPDATE latchkey.stamp o SET missed = at WHERE o.id = l.id AND o.process = w.process AND o.missed IS NULL;
          gone := gone || w.process;
          CONTINUE;
        END IF;
      END IF;
      room := CASE w.mode WHEN 'w' THEN 1 ELSE w.most END;
      -- A reader without a limit fits, whoever is inside: thousands of them must not look at each other.
      IF inside IS NULL AND room < 'Infinity' THEN
        -- In order, here and below: for a few of a lock in any order, the planner may read the readers of all locks.
        SELECT count(*), coalesce(bool_or(o.ends <= at), false),
          coalesce(bool_or((o.rests OR o.revoked) AND o.ends > at AND o.ends <= at + interval '5 s'), false)
        INTO inside, over, soon
        FROM (SELECT s.ends, s.rests, s.revoked FROM latchkey.share s WHERE s.id = l.id ORDER BY s.token LIMIT least(room, 1e18)::int8) o;
        IF over THEN
          -- The rest later: a server has room for so many locks, which are kept until the transaction ends.
          DELETE FROM latchkey.share s WHERE s.id = l.id AND s.token = ANY (ARRAY(
            SELECT o.token FROM latchkey.share o
            WHERE o.id = l.id AND o.ends <= at AND pg_try_advisory_xact_lock(o.fence # l.salt) LIMIT 1000));
          SELECT count(*), coalesce(bool_or(s.ends > at AND s.ends <= at + interval '5 s'), false) INTO inside, soon
          FROM latchkey.share s WHERE s.id = l.id;
        END IF;
        IF inside = 0 THEN
          l.shared := false;
          changed := true;
        END IF;
      END IF;
      EXIT WHEN inside >= room;
      DELETE FROM latchkey.place p WHERE p.id = l.id AND p.token = w.token;
      changed := true;
      inside := inside + 1;
      entered := entered + 1;
      l.last := greatest(l.last + 1, (extract(epoch FROM at) * 1000000)::int8);
      IF w.token = me.token THEN got := l.last; END IF;
      IF w.place IS DISTINCT FROM me.place THEN
        PERFORM latchkey.tell(w.process, 'granted ' || l.last, w.token, l.name,
          CASE w.mode WHEN 'w' THEN latchkey.run_of(l.id, w.process) END);
      END IF;
      IF w.mode = 'r' THEN
        INSERT INTO latchkey.share VALUES
          (l.id, w.token, l.last, at + latchkey.ms(w.ttl), at, w.meta, w.process, 0, false, w.most)
        ON CONFLICT (id, token) DO UPDATE SET fence = excluded.fence, ends = excluded.ends, since = excluded.since,
          meta = excluded.meta, process = excluded.process, sequence = 0, revoked = false, most = excluded.most;
        l.shared := true;
      ELSE
        l.token := w.token; l.fence := l.last; l.ends := at + latchkey.ms(w.ttl); l.since := at; l.meta := w.meta;
        l.process := w.process; l.sequence := 0; l.revoked := false; l.rests := NULL;
        l.last := l.last + 63;
        EXIT;
      END IF;
    END LOOP;
    IF inside IS NULL AND (SELECT s.token FROM latchkey.share s WHERE s.id = l.id ORDER BY s.token LIMIT 1) IS NULL THEN
      l.shared := false;
      changed := true;
    END IF;
  END IF;
  IF changed THEN
    UPDATE latchkey.lock SET last = l.last, shared = l.shared, rests = l.rests, refuses = l.refuses, token = l.token, fence = l.fence,
      ends = l.ends, since = l.since, meta = l.meta, process = l.process, sequence = l.sequence, revoked = l.revoked
    WHERE id = l.id;
  END IF;
  -- Only the first in the queue was told, if anybody. What ends later than in 5 s, those who wait see by themselves in time.
  IF soon AND entered > 0 THEN
    PERFORM latchkey.look_in(l, own);
    told := true;
  END IF;
END $$;`,
  `-- The hold of a token, if it lasts still: its fence and the whole ms left.
CREATE OR REPLACE FUNCTION latchkey.hold_of(i bytea, t text, OUT fence int8, OUT left_ms int8) LANGUAGE sql STABLE
AS $$
  SELECT h.fence, floor(extract(epoch FROM h.ends - clock_timestamp()) * 1000)::int8
  FROM (
    SELECT latchkey.fence_of(o) AS fence, o.ends FROM latchkey.lock o WHERE o.id = i AND o.token = t
    UNION ALL SELECT s.fence, s.ends FROM latchkey.share s WHERE s.id = i AND s.token = t
  ) h WHERE h.ends > clock_timestamp()
$$;`,
  `-- Who holds a lock and who waits for it, as JSON; NULL if nobody does, and it does not rest. Times are ms since 1970.
CREATE OR REPLACE FUNCTION latchkey.info(l latchkey.lock) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT json_build_object('holders', h.holders, 'waiters', q.waiters, 'waiting', w.waiting, 'rests', latchkey.since_1970(r.rests))::text
  FROM (
    SELECT coalesce(json_agg(json_build_object('mode', a.mode, 'fence', a.fence, 'meta', a.meta, 'most', a.most,
      'ttl', floor(extract(epoch FROM a.ends - clock_timestamp()) * 1000)::int8, 'since', latchkey.since_1970(a.since)) ORDER BY a.fence), '[]') AS holders
    FROM (
      SELECT 'w' AS mode, latchkey.fence_of(l) AS fence, l.ends, l.since, l.meta, NULL AS most WHERE l.token IS NOT NULL
      UNION ALL SELECT 'r', s.fence, s.ends, s.since, s.meta, nullif(s.most, 'Infinity')::int8 FROM latchkey.share s WHERE s.id = l.id AND NOT s.rests
    ) a WHERE a.ends > clock_timestamp()
  ) h, (SELECT count(*) AS waiters FROM latchkey.place p WHERE p.id = l.id) q, (
    SELECT coalesce(json_agg(json_build_object('mode', p.mode, 'meta', p.meta, 'since', latchkey.since_1970(p.since)) ORDER BY p.place), '[]') AS waiting
    FROM (SELECT * FROM latchkey.place o WHERE o.id = l.id ORDER BY o.place LIMIT 100) p
  ) w, (
    SELECT max(n.until) AS rests
    FROM (SELECT l.rests AS until UNION ALL SELECT s.ends FROM latchkey.share s WHERE s.id = l.id AND s.rests) n
    WHERE n.until > clock_timestamp()
  ) r
  WHERE q.waiters > 0 OR r.rests IS NOT NULL OR json_array_length(h.holders) > 0
$$;`,
  `-- Gives up the places of tokens, and what was granted to them meanwhile, and hands the lock over. n: the lock's name;
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
END $$;`,
  `-- The next so many locks after an id, in their order; info where the name starts with a prefix and there is something
-- to tell.
CREATE OR REPLACE FUNCTION latchkey.list(after_id bytea, prefix bytea, amount int, OUT id bytea, OUT name bytea, OUT info text)
RETURNS SETOF record LANGUAGE sql STABLE AS $$
  SELECT o.id, CASE WHEN m.matches THEN o.name END, CASE WHEN m.matches THEN latchkey.info(o) END
  FROM (SELECT * FROM latchkey.lock a WHERE a.id > after_id ORDER BY a.id LIMIT amount) o,
    LATERAL (SELECT substring(o.name FROM 1 FOR length(prefix)) = prefix AS matches) m
  ORDER BY o.id
$$;`,
  `-- Asks the first process in the queue that hears it to claim again when it may be its turn. own: the caller's process.
CREATE OR REPLACE FUNCTION latchkey.look_in(l latchkey.lock, own int8) RETURNS void LANGUAGE sql AS $$
  SELECT latchkey.tell(p.process, 'look-in ' || latchkey.time_left(l.id, p.most), p.token, l.name)
  -- The others look by themselves: a server has room for so many locks, which are kept until the transaction ends.
  FROM (SELECT * FROM (SELECT * FROM latchkey.place w WHERE w.id = l.id ORDER BY w.place LIMIT 1000) o
        WHERE o.process > 0
          AND (SELECT s.vouched FROM latchkey.stamp s WHERE s.id = o.id AND s.process = o.process) > clock_timestamp()
          AND (o.process = own OR NOT pg_try_advisory_xact_lock_shared(o.process))
        ORDER BY o.place LIMIT 1) p
$$;`,
  `-- So many ms as an interval.
CREATE OR REPLACE FUNCTION latchkey.ms(n int8) RETURNS interval LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT n * interval '1 ms'
$$;`,
  `-- The whole ms from one time to another.
CREATE OR REPLACE FUNCTION latchkey.ms_until(t timestamptz, at timestamptz) RETURNS int8 LANGUAGE sql IMMUTABLE AS $$
  SELECT ceil(extract(epoch FROM t - at) * 1000)::int8
$$;`,
  `-- Locks the row of a lock against all but guards, after it was made if need be; waits for patience ms at most, at least 1:
-- 0 would be no limit.
CREATE OR REPLACE FUNCTION latchkey.open_row(i bytea, n bytea, patience int) RETURNS latchkey.lock LANGUAGE plpgsql AS $$
DECLARE
  l latchkey.lock;
BEGIN
  PERFORM set_config('lock_timeout', greatest(patience, 1)::text, true);
  LOOP
    SELECT * INTO l FROM latchkey.lock WHERE id = i FOR NO KEY UPDATE;
    IF FOUND THEN RETURN l; END IF;
    INSERT INTO latchkey.lock (id, name, last) VALUES (i, n, 0) ON CONFLICT DO NOTHING;
  END LOOP;
END $$;`,
  `-- How many places come before one, at most 100; with NULL, how many there are.
CREATE OR REPLACE FUNCTION latchkey.places_before(i bytea, mine int8) RETURNS int8 LANGUAGE sql STABLE AS $$
  SELECT count(*)
  FROM (SELECT FROM latchkey.place p WHERE p.id = i AND (mine IS NULL OR p.place < mine)
    -- In this order the planner reads those of this lock alone.
    ORDER BY p.place LIMIT 100) b
$$;`,
  `-- For a process that gets no messages: which of the claims names[k], tokens[k] have been granted, and under what fences.
CREATE OR REPLACE FUNCTION latchkey.poll(names bytea[], tokens text[], OUT k int8, OUT fence int8)
RETURNS SETOF record LANGUAGE sql STABLE AS $$
  SELECT c.k, h.fence FROM unnest(names, tokens) WITH ORDINALITY c(name, token, k),
    LATERAL latchkey.hold_of(sha256(c.name), c.token) h
  WHERE h.fence IS NOT NULL
$$;`,
  `-- Renews holds: of the lock names[k], tokens[k] is to last for ttls[k] ms from now; numbers[k] grows with each renewal of
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
END $$;`,
  `-- Takes away the hold that has this fence, in so many ms. n: the lock's name; f: the fence of whom it serves; own: the process.
-- Answers whether there is such a hold.
CREATE OR REPLACE FUNCTION latchkey.revoke(n bytea, f int8, grace int8, own int8) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE
  i bytea := sha256(n);
  l latchkey.lock;
  s latchkey.share;
  at timestamptz;
  told bool;
BEGIN
  l := latchkey.open_row(i, n, 500);
  at := clock_timestamp();
  IF l.token IS NOT NULL AND f = latchkey.fence_of(l) AND l.ends > at THEN
    l.ends := least(l.ends, at + latchkey.ms(grace));
    l.revoked := true;
    PERFORM latchkey.tell(l.process, 'revoked ' || latchkey.ms_until(l.ends, at), l.token, l.name);
  ELSE
    UPDATE latchkey.share o SET ends = least(o.ends, at + latchkey.ms(grace)), revoked = true
      WHERE o.id = i AND o.fence = f AND o.ends > at AND NOT o.rests RETURNING o.* INTO s;
    IF NOT FOUND THEN RETURN false; END IF;
    PERFORM latchkey.tell(s.process, 'revoked ' || latchkey.ms_until(s.ends, at), s.token, l.name);
  END IF;
  -- Its process may ask before it reads the message, or never get it.
  l.refuses := latchkey.depart(i, ARRAY[' ' || coalesce(s.token, l.token)]);
  SELECT h.told INTO told FROM latchkey.hand_over(l, true, own, NULL) h;
  IF grace > 0 AND NOT told THEN PERFORM latchkey.look_in(l, own); END IF;
  RETURN true;
END $$;`,
  `-- The tokens of the places at the head of the queue that the process may hand the lock on to: writers of its own.
CREATE OR REPLACE FUNCTION latchkey.run_of(i bytea, own int8) RETURNS text[] LANGUAGE sql STABLE AS $$
  SELECT array_agg(r.token ORDER BY r.place) FROM (
    SELECT h.token, h.place, bool_and(h.process = own AND h.mode = 'w') OVER (ORDER BY h.place) AS behind
    FROM (SELECT * FROM latchkey.place p WHERE p.id = i ORDER BY p.place LIMIT 63) h
  ) r WHERE r.behind
$$;`,
  `-- A time as whole ms since 1970.
CREATE OR REPLACE FUNCTION latchkey.since_1970(t timestamptz) RETURNS int8 LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT floor(extract(epoch FROM t) * 1000)::int8
$$;`,
  `-- Deletes what has been idle for a day, among some rows after the id after_id. Answers the last id it looked at, NULL at
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
END $$;`,
  `-- What a claim does where somebody else has the row locked: it takes its place, and leaves the rest to its next look; one
-- that was handed the lock is granted it. me: the claim; vouch: as in claim. Answers as claim does.
CREATE OR REPLACE FUNCTION latchkey.take_place(me latchkey.place, vouch int8) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  setting text := set_config('synchronous_commit', 'off', true);
  at timestamptz := clock_timestamp();
  mine int8;
  kept bool;
  f int8;
  remains int8;
BEGIN
  -- This fails where it is the table that is locked, which is no contention.
  SELECT h.fence, h.left_ms INTO f, remains FROM latchkey.hold_of(me.id, me.token) h;
  IF f IS NOT NULL THEN
    IF current_setting('synchronous_standby_names') = '' THEN
      RETURN latchkey.granted(f, remains, me.mode, me.id, me.process);
    END IF;
    -- Reading alone does not wait for a standby. As one that kept its place, it looks again before those behind it.
    RETURN 'refused 200 0 true';
  END IF;
  IF vouch IS NULL THEN RETURN 'refused 200 0 false'; END IF;
  -- A table that grows is locked for a moment, which is no fault: from here on the patience of the claim counts no more.
  setting := set_config('lock_timeout', '200ms', true);
  SELECT p.place INTO mine FROM latchkey.place p WHERE p.id = me.id AND p.token = me.token;
  kept := FOUND;
  IF EXISTS (SELECT FROM latchkey.departed d WHERE d.id = me.id AND d.token = me.token AND d.until > at) THEN
    DELETE FROM latchkey.place p WHERE p.id = me.id AND p.token = me.token;
    RETURN 'refused 0 0 false';
  END IF;
  IF NOT kept THEN
    me.since := at;
    INSERT INTO latchkey.place VALUES (me.*) ON CONFLICT (id, token) DO NOTHING;
    mine := me.place;
  END IF;
  PERFORM latchkey.vouch_for(me.id, me.process, vouch);
  RETURN 'refused 200 ' || latchkey.places_before(me.id, mine) || ' ' || kept;
END $$;`,
  `-- Sends what to the process, with the token, the lock's name and the tokens of the run; it is sent when the transaction
-- commits. A notification has 7,999 bytes at most: those of the run that do not fit are left out. Where not even the name
-- does, nothing is sent: the process looks by itself.
CREATE OR REPLACE FUNCTION latchkey.tell(process int8, what text, token text, name bytea, run text[] DEFAULT NULL)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  message text := what || ' ' || token || ' ' || encode(name, 'base64') || ' ';
BEGIN
  IF process > 0 AND length(message) < 7990 THEN
    PERFORM pg_notify('latchkey_' || to_hex(process), message ||
      regexp_replace(left(array_to_string(run || ''::text, ','), 7990 - length(message)), '[^,]*$', ''));
  END IF;
END $$;`,
  `-- The ms until the last holder's time is up, or the key has rested; 0 where nobody holds it. For one with a limit, until
-- the first of the shared holds is over. A hold whose time is up and that is guarded has a few ms left.
CREATE OR REPLACE FUNCTION latchkey.time_left(i bytea, most float8) RETURNS int8 LANGUAGE sql STABLE AS $$
  SELECT coalesce(CASE WHEN most < 'Infinity' THEN min(h.remains) FILTER (WHERE h.shared) END, max(h.remains), 0)
  FROM (
    SELECT greatest(latchkey.ms_until(o.ends, clock_timestamp()), o.shortest) AS remains, o.shared FROM (
      SELECT o.ends, 20 AS shortest, false AS shared FROM latchkey.lock o WHERE o.id = i AND o.token IS NOT NULL
      UNION ALL SELECT o.rests, 0, false FROM latchkey.lock o WHERE o.id = i
      UNION ALL SELECT s.ends, 20, true FROM latchkey.share s WHERE s.id = i
    ) o
  ) h
$$;`,
  `-- What a claim of the lock locks for as long as it takes.
CREATE OR REPLACE FUNCTION latchkey.turn_of(i bytea) RETURNS int8 LANGUAGE sql IMMUTABLE AS $$
  SELECT ('x' || encode(substring(i FROM 1 FOR 8), 'hex'))::bit(64)::int8
$$;`,
  `-- Fails with LK002 while a transaction guards the hold with this salted fence; none can from now on.
CREATE OR REPLACE FUNCTION latchkey.unguarded(f int8) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF NOT pg_try_advisory_xact_lock(f) THEN
    RAISE EXCEPTION 'a transaction guards the lock' USING ERRCODE = 'LK002';
  END IF;
END $$;`,
  `-- The process lives: its places in the queue count for so many ms.
CREATE OR REPLACE FUNCTION latchkey.vouch_for(i bytea, own int8, lasts int8) RETURNS void LANGUAGE sql AS $$
  INSERT INTO latchkey.stamp VALUES (i, own, clock_timestamp() + latchkey.ms(lasts))
  ON CONFLICT (id, process) DO UPDATE SET vouched = excluded.vouched, missed = NULL
$$;`,
];
