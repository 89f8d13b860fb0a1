-- Gives up the places of tokens, and what was granted to them meanwhile, and hands the lock over. n: the lock's
-- name; late: whether claims of the tokens may still come; own: the process.
-- Fails with 55P03 while a transaction guards such a hold.
CREATE OR REPLACE FUNCTION latchkey.leave(n bytea, tokens text[], late bool, own int8) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  i bytea := sha256(n);
  l latchkey.lock;
BEGIN
  l := latchkey.open_row(i, n, '500ms');
  DELETE FROM latchkey.place p WHERE p.id = i AND p.token = ANY (tokens);
  IF l.token = ANY (tokens) THEN
    PERFORM FROM latchkey.lock o WHERE o.id = i FOR UPDATE NOWAIT;
    l.token := NULL;
  END IF;
  IF l.shared THEN
    PERFORM FROM latchkey.share s WHERE s.id = i AND s.token = ANY (tokens) FOR UPDATE NOWAIT;
    DELETE FROM latchkey.share s WHERE s.id = i AND s.token = ANY (tokens);
  END IF;
  IF late THEN PERFORM latchkey.depart(i, tokens); END IF;
  PERFORM latchkey.hand_over(l, true, own, NULL);
END $$;
