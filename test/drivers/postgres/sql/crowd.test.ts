import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { type PostgresServer, startPostgres } from '../../../support/postgres-server.js';
import { closeStores, processOn } from '../support/stores.js';

// More than the locks for which a server with 100 connections has room.
const READERS = 30_000;

let server: PostgresServer;

beforeAll(async () => {
  server = await startPostgres();
  await processOn({ url: server.url() });
  await closeStores();
});
afterAll(() => server.stop());

/** So many readers had the lock, and their time was over so long ago. */
beforeEach(() =>
  server.ask(`TRUNCATE latchkey.lock, latchkey.share, latchkey.place, latchkey.stamp;
    INSERT INTO latchkey.lock (id, name, last, shared) VALUES (sha256('a'), 'a', 1, true);
    INSERT INTO latchkey.share SELECT sha256('a'), 't' || g, g, now() - interval '25 hours', now(), '{}', 1, 0, false, 1e6
    FROM generate_series(1, ${READERS}) g`),
);

const count = async () => {
  const [row] = await server.ask<{ n: number }>('SELECT count(*)::int AS n FROM latchkey.share');
  return row!.n;
};

test('a writer gets the lock after very many readers whose time is over, a thousand of them at each look', async () => {
  const claim = async () => {
    const [row] = await server.ask<{ answer: string }>(
      `SELECT latchkey.claim('a'::bytea, 't', 'w', 'Infinity', 60000, '{}', 1, 1000, 50) AS answer`,
    );
    return row!.answer;
  };
  expect(await claim()).toMatch(/^refused 20 0 /);
  expect(await count()).toBe(READERS - 1_000);
  let answer = '';
  for (let looks = 2; looks <= READERS / 1_000; looks++) answer = await claim();
  expect(answer).toMatch(/^granted /);
  expect(await count()).toBe(0);
});

test('very many readers whose time is over are swept some at a time', async () => {
  const [row] = await server.ask(`SELECT deleted FROM latchkey.sweep('', 200)`);
  expect(row).toEqual({ deleted: 200 });
  expect(await count()).toBe(READERS - 200);
  await server.ask(`SELECT latchkey.sweep('', ${READERS / 3}), latchkey.sweep('', 1)`);
  expect(await count()).toBe(READERS - 200 - READERS / 3 - 1);
});
