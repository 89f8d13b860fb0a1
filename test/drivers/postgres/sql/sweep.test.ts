import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { type PostgresServer, startPostgres } from '../../../support/postgres-server.js';
import { closeStores, processOn } from '../support/stores.js';

let server: PostgresServer;

beforeAll(async () => {
  server = await startPostgres();
  await processOn({ url: server.url() });
  await closeStores();
});
afterAll(() => server.stop());
beforeEach(() =>
  server.ask('TRUNCATE latchkey.lock, latchkey.share, latchkey.place, latchkey.stamp, latchkey.departed'),
);

const hours = (age: number) => `now() - interval '${age} hours'`;
const id = (name: string) => `sha256('${name}'::bytea)`;

/** A lock's row. `used`, `ends` and `rests` are hours ago; with `ends`, a hold is in it. */
function lock(
  name: string,
  { used = 25, ends, rests }: { used?: number; ends?: number; rests?: number } = {},
) {
  const hold = ends === undefined ? 'NULL, NULL, NULL' : `'a', 7, ${hours(ends)}`;
  return server.ask(`INSERT INTO latchkey.lock (id, name, last, rests, token, fence, ends) VALUES
    (${id(name)}, '${name}', (extract(epoch FROM ${hours(used)}) * 1000000)::int8,
     ${rests === undefined ? 'NULL' : hours(rests)}, ${hold})`);
}

const share = (name: string, token: string, ends: number) =>
  server.ask(`INSERT INTO latchkey.share VALUES
    (${id(name)}, '${token}', 1, ${hours(ends)}, now(), '{}', 1, 0, false, 2)`);

const place = (name: string, process: number, since: number) =>
  server.ask(`INSERT INTO latchkey.place VALUES
    (${id(name)}, 'p${process}', ${process}, 'w', 1, 1000, '{}', ${process}, ${hours(since)})`);

const stamp = (name: string, process: number, vouched: number) =>
  server.ask(`INSERT INTO latchkey.stamp VALUES (${id(name)}, ${process}, ${hours(vouched)})`);

/** What is left of a table: the names of the locks, each with one more value. */
async function left(table: string, value = "''"): Promise<string[]> {
  const names = ['a', 'b', 'c', 'd', 'e'].map((name) => `(${id(name)}, '${name}')`).join();
  const rows = await server.ask<{ text: string }>(
    `SELECT n.name || ${value} AS text FROM latchkey.${table} t JOIN (VALUES ${names}) n (id, name) USING (id)`,
  );
  return rows.map(({ text }) => text).sort();
}

/** Sweeps, and answers the name of the lock at which the next sweep begins. */
async function sweep(after = "''", amount = 100): Promise<string | null> {
  const [row] = await server.ask<{ last: string | null }>(
    `SELECT encode(final, 'hex') AS last FROM latchkey.sweep(${after}::bytea, ${amount})`,
  );
  return row!.last;
}

test('a lock goes that nobody has used for a day, in no way', async () => {
  await lock('a');
  await lock('b', { used: 23 });
  await lock('c', { rests: 25 });
  await lock('d', { rests: 23 });
  expect(await sweep()).toBe(null);
  expect(await left('lock')).toEqual(['b', 'd']);
});

test('a lock stays until its hold has been over for a day', async () => {
  await lock('a', { ends: -1 });
  await lock('b', { ends: 23 });
  await lock('c', { ends: 25 });
  await lock('d', { used: 23, ends: 25 });
  await sweep();
  expect(await left('lock')).toEqual(['a', 'b', 'd']);
});

test('a lock stays while a reader has it, or had it less than a day ago, and other readers’ rows go', async () => {
  for (const name of ['a', 'b', 'c', 'd']) await lock(name);
  await share('a', 'x', -1);
  await share('a', 'y', 25);
  await share('b', 'x', 23);
  await share('c', 'x', 25);
  await sweep();
  expect(await left('share', 'token')).toEqual(['ax', 'bx']);
  expect(await left('lock')).toEqual(['a', 'b']);
});

test('a place goes after a day if its process has not vouched for it that long, and then its lock', async () => {
  for (const name of ['a', 'b', 'c', 'd']) await lock(name);
  await place('a', 1, 25);
  await stamp('a', 1, 23);
  await place('b', 1, 25);
  await place('b', 2, 25);
  await stamp('b', 2, -1);
  await place('c', 1, 25);
  await stamp('c', 1, 25);
  await stamp('c', 2, 25);
  await place('d', 1, 23);
  await stamp('d', 1, 25);
  await sweep();
  expect(await left('place', 'process')).toEqual(['a1', 'b2', 'd1']);
  expect(await left('stamp', 'process')).toEqual(['a1', 'b2']);
  expect(await left('lock')).toEqual(['a', 'b', 'd']);
});

test('a lock stays while claims of tokens that left are refused, as one does that was made to refuse them', async () => {
  const leave = `SELECT latchkey.leave('a'::bytea, ARRAY['t'], true, 1, false)`;
  const claim = `SELECT latchkey.claim('a'::bytea, 't', 'w', 'Infinity', 60000, '{}', 1, 1000, 50) AS answer`;
  await server.ask(leave);
  await sweep();
  expect(await server.ask(claim)).toEqual([{ answer: 'refused 0 0 false' }]);
  await server.ask(`UPDATE latchkey.lock SET refuses = ${hours(1)}`);
  await sweep();
  expect(await left('lock')).toEqual([]);
});

test('a lock stays while there are stamps of it, which nothing else would delete', async () => {
  await lock('a');
  await stamp('a', 1, 23);
  await sweep();
  expect(await left('lock')).toEqual(['a']);
  await server.ask(`UPDATE latchkey.stamp SET vouched = ${hours(25)}`);
  await sweep();
  expect([await left('stamp', 'process'), await left('lock')]).toEqual([[], []]);
});

test('a lock that is used keeps its rows, but for stamps that are old', async () => {
  await lock('a', { used: 1 });
  await lock('b');
  await place('a', 1, 25);
  await share('a', 'x', 25);
  await stamp('a', 1, 25);
  await stamp('a', 2, 23);
  await sweep();
  expect(await left('place', 'process')).toEqual(['a1']);
  expect(await left('share', 'token')).toEqual(['ax']);
  expect(await left('stamp', 'process')).toEqual(['a2']);
  expect(await left('lock')).toEqual(['a']);
});

test('a hold that a transaction guards stays, and so does a row that is locked, which is not waited for', async () => {
  await lock('a', { ends: 25 });
  await lock('b');
  await lock('c');
  const guard = await server.client();
  await guard.query('BEGIN');
  await guard.query(
    `SELECT pg_advisory_xact_lock_shared(fence # salt) FROM latchkey.lock WHERE id = ${id('a')}`,
  );
  await guard.query(`SELECT FROM latchkey.lock WHERE id = ${id('b')} FOR UPDATE`);
  const sweeping = sweep();
  const waited = new Promise((resolve) => setTimeout(resolve, 2_000, 'waited'));
  expect(await Promise.race([sweeping, waited])).toBe(null);
  expect(await left('lock')).toEqual(['a', 'b']);
  await guard.query('ROLLBACK');
  await sweep();
  expect(await left('lock')).toEqual([]);
});

test('the share of a reader that a transaction guards stays, and its lock with it', async () => {
  await lock('a');
  await share('a', 'x', 25);
  const guard = await server.client();
  await guard.query('BEGIN');
  await guard.query(
    `SELECT pg_advisory_xact_lock_shared(s.fence # o.salt) FROM latchkey.lock o JOIN latchkey.share s USING (id)`,
  );
  await sweep();
  expect([await left('share', 'token'), await left('lock')]).toEqual([['ax'], ['a']]);
  await guard.query('ROLLBACK');
  await sweep();
  expect([await left('share', 'token'), await left('lock')]).toEqual([[], []]);
});

test('some rows at a time are looked at, in the order of their ids, and the last one is told but at the end', async () => {
  const names = ['a', 'b', 'c', 'd', 'e'];
  for (const name of names) await lock(name);
  const rows = await server.ask<{ hex: string; name: Buffer }>(
    `SELECT encode(id, 'hex') AS hex, name FROM latchkey.lock ORDER BY id`,
  );
  expect(await sweep("''", 2)).toBe(rows[1]!.hex);
  expect(await left('lock')).toEqual(
    rows
      .slice(2)
      .map(({ name }) => name.toString())
      .sort(),
  );
  expect(await sweep(`'\\x${rows[1]!.hex}'`, 2)).toBe(rows[3]!.hex);
  expect(await left('lock')).toHaveLength(1);
  expect(await sweep(`'\\x${rows[3]!.hex}'`, 2)).toBe(null);
  expect(await left('lock')).toEqual([]);
});

test('refused tokens are forgotten when their time is over, some at a time', async () => {
  const departed = (token: string, until: number) =>
    server.ask(`INSERT INTO latchkey.departed VALUES (${id('a')}, '${token}', ${hours(until)})`);
  for (const token of ['x', 'y', 'z']) await departed(token, 1);
  await departed('later', -1);
  await sweep("''", 2);
  expect(await left('departed', 'token')).toHaveLength(2);
  await sweep("''", 2);
  expect(await left('departed', 'token')).toEqual(['alater']);
});
