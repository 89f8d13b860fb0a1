-- Who holds a lock and who waits for it, as JSON; NULL if nobody does, and it does not rest. Times are ms since 1970.
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
$$;
