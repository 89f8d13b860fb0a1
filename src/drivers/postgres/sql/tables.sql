-- What is stored. Ids are sha256 of a lock's full name, for an index holds no long name and text holds no NUL.
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
CREATE TABLE latchkey.version (version int PRIMARY KEY);
