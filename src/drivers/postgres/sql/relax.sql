-- For what a crash may undo: its commit is not waited for. A place that is lost is asked for again, and a release that is
-- lost ends with the time of its hold. A grant, a renewal and a rest are waited for.
CREATE OR REPLACE FUNCTION latchkey.relax() RETURNS void LANGUAGE sql AS $$
  SELECT set_config('synchronous_commit', 'off', true)
$$;
