import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { Client } from 'pg';
import { type PostgresServer, startPostgres } from '../../../support/postgres-server.js';
import { claimOf, closeStores, freshKey, PLACE, type Process, processOn, take } from '../support/stores.js';

let server: PostgresServer;
let one: Process;
let own: Client;
let key: string;

beforeAll(async () => {
  server = await startPostgres();
  own = await server.client();
});
afterAll(() => server.stop());
beforeEach(async () => {
  one = await processOn({ url: server.url() });
  key = freshKey();
  await take(one, key, 'a', { ttl: 60_000 });
});
afterEach(closeStores);

/** Whether the commit after this call waits for the disk, as the server is configured. */
async function waitsForDisk(call: string, ...values: unknown[]): Promise<boolean> {
  await own.query('BEGIN');
  try {
    await own.query(`SELECT latchkey.${call}`, [Buffer.from(key), ...values]);
    const { rows } = await own.query<{ is: string }>("SELECT current_setting('synchronous_commit') AS is");
    return rows[0]!.is !== 'off';
  } finally {
    await own.query('ROLLBACK');
  }
}

const free = (rest = 0) => waitsForDisk("free($1, $2, '{}', 0, $3, false, 1)", 'a', rest);
const leave = (...tokens: string[]) => waitsForDisk('leave($1, $2, false, 1, false)', tokens);
const waits = (token: string) => one.store.claim(claimOf(key, token), PLACE);

test('a release that nobody awaits does not wait for the disk; one that hands the lock over does, and a rest', async () => {
  expect([await free(), await free(5_000)]).toEqual([false, true]);
  await waits('b');
  expect([await free(), await free(5_000)]).toEqual([true, true]);
});

test('whoever leaves does not wait for the disk, unless the next one is granted the lock by that', async () => {
  await waits('b');
  await waits('c');
  expect([await leave('b'), await leave('b', 'c')]).toEqual([false, false]);
  expect([await leave('a'), await leave('a', 'b')]).toEqual([true, true]);
  expect(await leave('a', 'b', 'c')).toBe(false);
});
