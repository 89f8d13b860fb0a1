-- The hold of a token, if it lasts still: its fence and the whole ms left.
CREATE OR REPLACE FUNCTION latchkey.hold_of(i bytea, t text, OUT fence int8, OUT left_ms int8) LANGUAGE sql STABLE
AS $$
  SELECT h.fence, floor(extract(epoch FROM h.ends - clock_timestamp()) * 1000)::int8
  FROM (
    SELECT latchkey.fence_of(o) AS fence, o.ends FROM latchkey.lock o WHERE o.id = i AND o.token = t
    UNION ALL SELECT s.fence, s.ends FROM latchkey.share s WHERE s.id = i AND s.token = t
  ) h WHERE h.ends > clock_timestamp()
$$;
