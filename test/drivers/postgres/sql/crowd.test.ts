import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Client } from 'pg';
import { type PostgresServer, startPostgres } from '../../../support/postgres-server.js';
import { stopwatch } from '../../../support/wait.js';
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

/** How many rows of readers, or of another table, it took to run this. */
async function looksOf(run: (client: Client) => Promise<void>, table = 'share'): Promise<number> {
  const client = await server.client();
  const read = async () => {
    const { rows } = await client.query<{ n: number }>(
      `SELECT (seq_tup_read + coalesce(idx_tup_fetch, 0))::int AS n FROM pg_stat_xact_user_tables WHERE relname = $1`,
      [table],
    );
    return rows[0]!.n;
  };
  await client.query('BEGIN');
  const before = await read();
  await run(client);
  const looked = (await read()) - before;
  await client.query('COMMIT');
  return looked;
}

const allHold = () =>
  server.ask(`UPDATE latchkey.share SET ends = now() + interval '1 hour'; ANALYZE latchkey.share`);

const leave = (client: Client, token: string) =>
  client.query(`SELECT latchkey.free('a'::bytea, '${token}', '{}', 0, 0, false, 1) AS held`);

const ask = async (client: Client, token: string, mode: 'r' | 'w') => {
  const { rows } = await client.query<{ answer: string }>(
    `SELECT latchkey.claim('a'::bytea, '${token}', '${mode}', 'Infinity', 60000, '{}', 1, 1000, 50) AS answer`,
  );
  return rows[0]!.answer.split(' ')[0];
};

test('a reader whom nobody waits for leaves without a look at the others', async () => {
  await allHold();
  const looked = await looksOf(async (client) => {
    for (const token of ['t5', 't7', 't9'])
      expect((await leave(client, token)).rows).toEqual([{ held: true }]);
  });
  expect(looked).toBeGreaterThanOrEqual(3);
  expect(looked).toBeLessThan(100);
  expect(await count()).toBe(READERS - 3);
});

test('a reader without a limit enters without a look at the others, but for a few', async () => {
  await allHold();
  const looked = await looksOf(async (client) => {
    for (const token of ['a', 'b', 'c']) expect(await ask(client, token, 'r')).toBe('granted');
  });
  expect(looked).toBeLessThan(200);
  expect(await count()).toBe(READERS + 3);
});

test('a reader whom a writer waits for leaves without a look at all others', async () => {
  await allHold();
  const client = await server.client();
  expect(await ask(client, 'w', 'w')).toBe('refused');
  const looked = await looksOf(async (client) => {
    for (const token of ['t5', 't7', 't9'])
      expect((await leave(client, token)).rows).toEqual([{ held: true }]);
  });
  expect(looked).toBeLessThan(200);
});

test('readers without a limit who never leave are dropped by those who come after their time', async () => {
  const client = await server.client();
  for (let n = 1; n <= 10; n++) expect(await ask(client, `a${n}`, 'r')).toBe('granted');
  expect(await count()).toBeLessThanOrEqual(READERS - 100);
});

test('the last reader leaves a key that a writer gets at once', async () => {
  await server.ask(`DELETE FROM latchkey.share WHERE token <> 't1'`);
  await allHold();
  const client = await server.client();
  await leave(client, 't1');
  expect(await server.ask('SELECT shared FROM latchkey.lock')).toEqual([{ shared: false }]);
  expect(await ask(client, 'w', 'w')).toBe('granted');
});

/** So many wait for a key that is held. */
async function places(amount: number, mode: 'r' | 'w', process: string): Promise<void> {
  await server.ask(`SELECT latchkey.claim('b'::bytea, 'h', 'w', 'Infinity', 60000, '{}', 1, NULL, 50);
    INSERT INTO latchkey.place SELECT sha256('b'), 't' || g, nextval('latchkey.places'), '${mode}', 'Infinity', 60000, '{}',
      ${process}, now() FROM generate_series(1, ${amount}) g;
    ANALYZE latchkey.place`);
}

const left = async () => {
  const [row] = await server.ask<{ n: number }>('SELECT count(*)::int AS n FROM latchkey.place');
  return row!.n;
};

const release = () => server.ask(`SELECT latchkey.free('b'::bytea, 'h', '{}', 0, 0, false, 1)`);

test('very many readers who wait enter a thousand at a time, and the next one is asked to look', async () => {
  await places(2_500, 'r', '7');
  const told: string[] = [];
  const client = await server.client();
  client.on('notification', ({ payload = '' }) => told.push(payload.split(' ', 3).join(' ')));
  await client.query(`LISTEN latchkey_7; SELECT pg_advisory_lock(7);
    INSERT INTO latchkey.stamp VALUES (sha256('b'), 7, now() + interval '1 hour')`);
  await release();
  expect(await left()).toBe(1_500);
  await client.query('SELECT 1');
  expect(told).toHaveLength(1_001);
  expect(told).toContain('look-in 0 t1001');
  await server.ask(`SELECT latchkey.leave('b'::bytea, '{}', false, 1, false)`);
  await server.ask(`SELECT latchkey.leave('b'::bytea, '{}', false, 1, false)`);
  expect(await left()).toBe(0);
  expect(await count()).toBe(READERS + 2_500);
});

test('places of a process that is gone are dropped together, in a time that grows with their number alone', async () => {
  await places(20_000, 'w', '7');
  const clock = stopwatch();
  await release();
  expect(clock.stop()).toBeLessThan(5_000);
  expect(await left()).toBe(0);
});

test('places of several processes that are gone are dropped a thousand runs at a time', async () => {
  await places(2_500, 'w', '7 + g % 2');
  await release();
  expect(await left()).toBe(1_500);
});

describe('a hold that is freed with a rest', () => {
  const rest = () => server.ask(`SELECT latchkey.free('b'::bytea, 'h', '{}', 0, 60000, false, 1)`);

  test('does not fail where very many processes that are gone waited for it', async () => {
    await places(READERS, 'w', '7 + g');
    await server.ask(`INSERT INTO latchkey.stamp
      SELECT sha256('b'), process, now() + interval '1 hour' FROM latchkey.place`);
    await rest();
    expect(await left()).toBe(READERS);
  });

  test('tells when it may be its turn to the first process that lives and looks', async () => {
    await places(900, 'w', '7 + g');
    const told: string[] = [];
    const client = await server.client();
    client.on('notification', ({ channel, payload = '' }) => told.push(`${channel} ${payload}`));
    // One that is stopped has not looked for long.
    const live = [500, 600, 700].map((n) => 7 + n);
    for (const process of live)
      await client.query(`LISTEN latchkey_${process.toString(16)}; SELECT pg_advisory_lock(${process})`);
    await server.ask(`INSERT INTO latchkey.stamp SELECT sha256('b'), process,
      now() + CASE process WHEN ${live[0]} THEN interval '-1 s' ELSE interval '1 hour' END FROM latchkey.place`);
    await rest();
    await client.query('SELECT 1');
    expect(told).toEqual([expect.stringMatching(/^latchkey_25f look-in (60000|5\d{4}) t600 /)]);
  });
});

test('a permit of one key takes no look at the readers of another', async () => {
  await allHold();
  const looked = await looksOf(async (client) => {
    // The planner plans anew the first few times, and then once and for all.
    for (let n = 1; n <= 20; n++) {
      for (const most of [`'Infinity'`, '3'])
        await client.query(
          `SELECT latchkey.claim('c'::bytea, 'p', 'r', ${most}, 60000, '{}', 1, 1000, 50),
             latchkey.claim('c'::bytea, 'w', 'w', 'Infinity', 60000, '{}', 1, 1000, 50),
             latchkey.leave('c'::bytea, '{w}', false, 1, false), latchkey.free('c'::bytea, 'p', '{}', 0, 0, false, 1)`,
        );
    }
  });
  expect(looked).toBeGreaterThan(40);
  expect(looked).toBeLessThan(READERS / 2);
});

test('any whole number may be a limit', async () => {
  await server.ask(`UPDATE latchkey.share SET ends = now() + interval '1 hour' WHERE token = 't1'`);
  const [row] = await server.ask<{ answer: string }>(
    `SELECT latchkey.claim('a'::bytea, 'p', 'r', 1e300, 60000, '{}', 1, 1000, 50) AS answer`,
  );
  expect(row!.answer).toMatch(/^granted /);
});

test('shares of readers without a limit that have rested are dropped by those who come later', async () => {
  await server.ask('TRUNCATE latchkey.lock, latchkey.share');
  const client = await server.client();
  for (let n = 1; n <= 200; n++) {
    const token = ((n * 7_919) % 1_000).toString(36);
    expect(await ask(client, token, 'r')).toBe('granted');
    await client.query(`SELECT latchkey.free('a'::bytea, '${token}', '{}', 0, 1, false, 1)`);
    await client.query(`UPDATE latchkey.share SET ends = now() - interval '1 s'`);
  }
  expect(await count()).toBeGreaterThan(0);
  expect(await count()).toBeLessThan(100);
});

test('a claim and a release of one key take no look at the places of another', async () => {
  await server.ask('TRUNCATE latchkey.lock, latchkey.share, latchkey.place');
  await places(20_000, 'w', '7');
  const looked = await looksOf(async (client) => {
    // The planner plans anew the first few times, and then once and for all.
    for (let n = 1; n <= 20; n++) {
      for (const mode of ['r', 'w'])
        await client.query(
          `SELECT latchkey.claim('c'::bytea, 'h', '${mode}', 'Infinity', 60000, '{}', 1, 1000, 50),
             latchkey.claim('c'::bytea, 'w', 'w', 'Infinity', 60000, '{}', 1, 1000, 50),
             latchkey.leave('c'::bytea, '{w}', false, 1, false), latchkey.free('c'::bytea, 'h', '{}', 0, 0, false, 1)`,
        );
    }
  }, 'place');
  expect(looked).toBeGreaterThan(20);
  expect(looked).toBeLessThan(10_000);
});
