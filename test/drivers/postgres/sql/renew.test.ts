import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { Client } from 'pg';
import { type PostgresServer, startPostgres } from '../../../support/postgres-server.js';
import { sleep, stopwatch } from '../../../support/wait.js';
import { closeStores, freshKey, type Process, processOn, take } from '../support/stores.js';

let server: PostgresServer;
let one: Process;
let stranger: Client;
let own: Client;
let key: string;

beforeAll(async () => {
  server = await startPostgres();
  [stranger, own] = [await server.client(), await server.client()];
});
afterAll(() => server.stop());
beforeEach(async () => {
  one = await processOn({ url: server.url() });
  await server.ask('TRUNCATE latchkey.lock');
  key = freshKey();
  await take(one, key, 'a', { ttl: 20_000 });
});
afterEach(() => stranger.query('ROLLBACK').then(closeStores));

/** The answer of the database to a renewal for 30 s. */
async function renew(waits: boolean): Promise<number> {
  const values = [[Buffer.from(key)], ['a'], [30_000], [1], [0], [''], null, waits];
  const { rows } = await own.query('SELECT latchkey.renew($1, $2, $3, $4, $5, $6, $7, $8)', values);
  return Number(rows[0].renew[0]);
}

async function lockRow(name: string): Promise<void> {
  await stranger.query('BEGIN');
  const { rowCount } = await stranger.query('SELECT FROM latchkey.lock WHERE name = $1 FOR UPDATE', [
    Buffer.from(name),
  ]);
  expect(rowCount).toBe(1);
}

/** Renews while somebody else has the row locked, who does this and ends. On a slow machine the 50 ms may be too few. */
async function renewBehind(change = 'SELECT'): Promise<number> {
  for (let tries = 1; ; tries += 1) {
    await lockRow(key);
    await stranger.query(change);
    const renewing = renew(true).catch((error: Error & { code: string }) => {
      if (error.code !== '55P03' || tries === 10) throw error;
      return undefined;
    });
    await sleep(5);
    await stranger.query('COMMIT');
    const answer = await renewing;
    if (answer !== undefined) return answer;
  }
}

const timeLeft = async () => (await one.store.read(key))!.holders[0]!.ttl!;

test('a renewal that does not wait says so of a row that is locked, and sets nothing', async () => {
  await lockRow(key);
  expect(await renew(false)).toBe(-3);
  expect(await timeLeft()).toBeLessThanOrEqual(20_000);
});

test('a renewal that waits for a row does so for 50 ms, and fails then', async () => {
  await lockRow(key);
  const started = performance.now();
  const watch = stopwatch();
  await expect(renew(true)).rejects.toMatchObject({ code: '55P03' });
  const took = performance.now() - started;
  const ran = watch.stop();
  expect(took).toBeGreaterThan(45);
  expect(ran).toBeLessThan(900);
  const { rows } = await own.query('SHOW lock_timeout');
  expect(rows).toEqual([{ lock_timeout: '0' }]);
});

test('a renewal that waits is done as soon as the row is free', async () => {
  expect(await renewBehind()).toBe(-1);
  expect(await timeLeft()).toBeGreaterThan(26_000);
  const { rows } = await own.query('SHOW lock_timeout');
  expect(rows).toEqual([{ lock_timeout: '0' }]);
});

test('a renewal locks its own row alone', async () => {
  const other = freshKey();
  await take(one, other, 'b');
  await lockRow(other);
  expect(await renew(false)).toBe(-1);
  expect(await renew(true)).toBe(-1);
});

test('a renewal that waited knows what became of the hold meanwhile', async () => {
  const left = await renewBehind(
    `UPDATE latchkey.lock SET revoked = true, ends = clock_timestamp() + interval '9 s'`,
  );
  expect(left).toBeGreaterThan(5_000);
  expect(left).toBeLessThanOrEqual(9_000);
  expect(await timeLeft()).toBeLessThanOrEqual(9_000);
});
