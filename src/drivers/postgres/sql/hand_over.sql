-- Hands the lock to the first live places that fit, and writes its row.
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
END $$;
