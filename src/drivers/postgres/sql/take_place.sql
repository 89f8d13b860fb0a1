-- What a claim does where somebody else has the row locked: it takes its place, and leaves the rest to its next look; one
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
END $$;
