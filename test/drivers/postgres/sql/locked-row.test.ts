import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { Client } from 'pg';
import { type PostgresServer, startPostgres } from '../../../support/postgres-server.js';
import { until } from '../../../support/wait.js';
import {
  claimOf,
  closeStores,
  freshKey,
  PLACE,
  type Process,
  processOn,
  queue,
  take,
  waitsForLocks,
} from '../support/stores.js';

let server: PostgresServer;
let one: Process;
let two: Process;
let stranger: Client;
let own: Client;
let key: string;

beforeAll(async () => {
  server = await startPostgres();
  [stranger, own] = [await server.client(), await server.client()];
});
afterAll(() => server.stop());
beforeEach(async () => {
  [one, two] = await Promise.all([processOn({ url: server.url() }), processOn({ url: server.url() })]);
});
afterEach(() => stranger.query('ROLLBACK').then(closeStores));

/** The key is held under token a, b waits for it, and somebody else has locked its row. */
async function lockedRow(): Promise<void> {
  key = freshKey();
  await take(one, key, 'a', { ttl: 20_000 });
  await queue(two, key, 'b', { ttl: 20_000 });
  await stranger.query('BEGIN');
  const { rowCount } = await stranger.query('SELECT FROM latchkey.lock WHERE name = $1 FOR UPDATE', [
    Buffer.from(key),
  ]);
  expect(rowCount).toBe(1);
}

const leave = (client: Client, token: string, blind: boolean) =>
  client.query('SELECT latchkey.leave($1, ARRAY[$2], false, NULL, $3)', [Buffer.from(key), token, blind]);

test('who is handed the lock while its look waits for the row gets it', async () => {
  // A look waits for 50 ms, which may be too few on a slow machine.
  for (let tries = 1; ; tries++) {
    await lockedRow();
    let answered = false;
    const look = two.store.claim(claimOf(key, 'b', { ttl: 20_000 }), PLACE).finally(() => {
      answered = true;
    });
    await until(async () => answered || (await waitsForLocks(server, 1)), 5_000, 'the look to wait');
    const waited = !answered;
    await leave(stranger, 'a', false);
    await stranger.query('COMMIT');
    const answer = await look;
    if (!answer.granted && (!waited || answer.left === 200) && tries < 10) continue;
    expect(answer.granted).toBe(true);
    return;
  }
});

test('a place is given up though the row is locked, and a hold is not', async () => {
  await lockedRow();
  await leave(own, 'b', true);
  expect(await server.ask('SELECT FROM latchkey.place')).toHaveLength(0);
  await expect(leave(own, 'a', true)).rejects.toMatchObject({ code: '55P03' });
  await stranger.query('COMMIT');
  expect((await one.store.read(key))!.holders).toHaveLength(1);
});

test('a claim that cannot wait takes its place also where the table of places is locked for a moment, as when it grows', async () => {
  key = freshKey();
  await take(one, key, 'a', { ttl: 20_000 });
  await stranger.query('BEGIN');
  await stranger.query('SELECT pg_advisory_xact_lock(latchkey.turn_of(sha256($1)))', [Buffer.from(key)]);
  await stranger.query('LOCK TABLE latchkey.place IN SHARE MODE');
  const claim = own.query(
    `SELECT latchkey.claim($1, 'b', 'w', 'Infinity', 20000, '{}', 7, 1000, 0) AS answer`,
    [Buffer.from(key)],
  );
  // It would wait for 1 ms. The server itself ends the transaction: this process may be slow.
  const ended = stranger.query('SELECT pg_sleep(0.02); COMMIT');
  expect((await claim).rows).toEqual([{ answer: 'refused 200 0 false' }]);
  await ended;
});
