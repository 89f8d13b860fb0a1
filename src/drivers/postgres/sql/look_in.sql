-- Asks the process of the first place to claim again when it may be its turn.
CREATE OR REPLACE FUNCTION latchkey.look_in(l latchkey.lock) RETURNS void LANGUAGE sql AS $$
  SELECT latchkey.tell(p.process, 'look-in ' || latchkey.time_left(l.id, p.most), p.token, l.name)
  FROM (SELECT * FROM latchkey.place o WHERE o.id = l.id ORDER BY o.place LIMIT 1) p
$$;
