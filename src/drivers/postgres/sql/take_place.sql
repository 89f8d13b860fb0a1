-- What a claim does where somebody else has the row locked: it takes its place, and leaves the rest to its next look.
-- me: the claim; vouch: as in claim. Answers as claim does.
CREATE OR REPLACE FUNCTION latchkey.take_place(me latchkey.place, vouch int8) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  setting text := set_config('synchronous_commit', 'off', true);
  at timestamptz := clock_timestamp();
  mine int8;
  holds bool;
  kept bool;
BEGIN
  -- It may have been handed the lock. This fails where it is the table that is locked, which is no contention.
  holds := EXISTS (SELECT FROM latchkey.hold_of(me.id, me.token) h WHERE h.fence IS NOT NULL);
  IF vouch IS NULL THEN RETURN 'refused 200 0 false'; END IF;
  SELECT p.place INTO mine FROM latchkey.place p WHERE p.id = me.id AND p.token = me.token;
  kept := FOUND;
  IF EXISTS (SELECT FROM latchkey.departed d WHERE d.id = me.id AND d.token = me.token AND d.until > at) THEN
    DELETE FROM latchkey.place p WHERE p.id = me.id AND p.token = me.token;
    RETURN 'refused 0 0 false';
  END IF;
  IF NOT kept AND NOT holds THEN
    me.since := at;
    INSERT INTO latchkey.place VALUES (me.*) ON CONFLICT (id, token) DO NOTHING;
    mine := me.place;
  END IF;
  PERFORM latchkey.vouch_for(me.id, me.process, vouch);
  RETURN 'refused 200 ' || latchkey.places_before(me.id, mine) || ' ' || kept;
END $$;
