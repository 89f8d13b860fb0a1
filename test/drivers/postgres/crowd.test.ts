import { afterAll, afterEach, beforeAll, expect, jest, test } from '@jest/globals';
import pg from 'pg';
import type { Grant, LockDriver } from '../../../src/lease/driver.js';
import { type PostgresServer, startPostgres } from '../../support/postgres-server.js';
import { runSource, type Worker } from '../../support/process.js';
import { sleep, stopwatch, until } from '../../support/wait.js';
import { ask, closeAll, freshKey, open, take, timed } from './support/rig.js';

jest.setTimeout(180_000);

let server: PostgresServer;
const workers: Worker[] = [];
beforeAll(async () => {
  server = await startPostgres();
});
afterEach(async () => {
  jest.restoreAllMocks();
  for (const worker of workers.splice(0)) worker.kill('SIGKILL');
  await closeAll();
});
afterAll(() => server.stop());

const url = () => ({ url: server.url() });

const places = async () => {
  const [row] = await server.ask<{ n: number }>('SELECT count(*)::int AS n FROM latchkey.place');
  return row!.n;
};

const waitersOf = async (driver: LockDriver, key: string) => (await driver.inspect(key))?.waiters ?? 0;

/** How many statements each hold takes, of so many waiters of ten processes who ask in turn, from the asking on. */
async function statementsPerHold(drivers: readonly LockDriver[], waiters: number): Promise<number> {
  const key = freshKey();
  const holder = await take(drivers[0]!, key, { ttl: 120_000 });
  const query = jest.spyOn(pg.Client.prototype, 'query');
  const served = Array.from({ length: waiters }, async (_, i) => {
    const driver = drivers[i % drivers.length]!;
    const grant = await take(driver, key, { wait: 150_000, ttl: 30_000 });
    await driver.release(grant);
  });
  await until(async () => (await places()) === waiters, 60_000);
  await drivers[0]!.release(holder);
  await Promise.all(served);
  // The names under which statements of the driver are prepared.
  const names = query.mock.calls.map(([statement]) => (statement as { name?: string }).name ?? '');
  query.mockRestore();
  return names.filter((name) => name.startsWith('latchkey ')).length / waiters;
}

test('a thousand waiters in ten processes cost no more statements a hold than ten', async () => {
  const drivers = await Promise.all(Array.from({ length: 10 }, () => open(url())));
  const few = await statementsPerHold(drivers, 10);
  const many = await statementsPerHold(drivers, 1_000);
  // To ask for a place, to make sure of the grant, to release; and the release of the first holder. A process looks after
  // its waiters once in some seconds.
  expect(few).toBeGreaterThanOrEqual(3.1);
  expect(few).toBeLessThan(7);
  // Those of one process that come one right after the other are served among themselves: by one grant and one release.
  expect(many).toBeGreaterThan(1);
  expect(many).toBeLessThan(3.3);
});

test('10,000 waiters in one process use the few connections configured, and pin none of them', async () => {
  const [holder, process] = [await open(url()), await open({ ...url(), connections: 2 })];
  const keys = Array.from({ length: 10 }, () => freshKey());
  const held = await Promise.all(keys.map((key) => take(holder, key, { ttl: 120_000 })));
  const gaveUp = new AbortController();
  const options = { wait: 150_000, signal: gaveUp.signal };
  const waiting: Promise<unknown>[] = [];
  const settled: Promise<unknown>[] = [];
  // Few at a time: a busy machine may not place more within the time that a first answer may take.
  while (waiting.length < 10_000) {
    const more = Array.from({ length: 250 }, (_, i) => ask(process, keys[i % 10]!, options));
    waiting.push(...more);
    settled.push(Promise.allSettled(more));
    await until(async () => (await places()) === waiting.length, 30_000);
  }
  expect(await waitersOf(holder, keys[0]!)).toBe(1_000);

  const sessions = await server.ask<{ state: string }>(
    `SELECT state FROM pg_stat_activity WHERE application_name = 'latchkey'`,
  );
  // Two for commands and one for messages; the holder has three for commands.
  expect(sessions).toHaveLength(3 + 4);
  expect(sessions.filter(({ state }) => state.includes('transaction'))).toEqual([]);
  const other = await timed(take(process, freshKey()));
  expect(other.value).toBeDefined();
  expect(other.ran).toBeLessThan(3_000);

  // Each process hands on among its own: all of one key are served by a few statements.
  await holder.release(held[0]!);
  const first = (await waiting[0]!) as Grant;
  expect(first.fence).toBeGreaterThan(held[0]!.fence);
  gaveUp.abort(new Error('gave up'));
  await Promise.all(settled);
  await until(async () => (await places()) === 0, 30_000);
});

/** A process of its own that waits for the key. */
async function waiterOf(key: string, ttl: number, observer: LockDriver): Promise<Worker> {
  const before = await waitersOf(observer, key);
  const worker = runSource(
    `
    import { postgresDriver } from 'latchkey';
    const { URL, KEY } = process.env;
    const driver = await postgresDriver({ url: URL });
    const request = { key: KEY, token: 'child ' + process.pid, mode: 'write', ttl: ${ttl}, wait: 60000 };
    send({ granted: await driver.acquire({ ...request, retryInterval: 100, meta: {} }) });
  `,
    { URL: server.url(), KEY: key },
  );
  workers.push(worker);
  await until(async () => (await waitersOf(observer, key)) > before, 60_000, 'the process to wait');
  return worker;
}

test.each([
  [1, 0],
  [5, 0],
  [5, 500],
])('%i waiters that were killed cost the next one nothing, after a rest of %i ms', async (dead, rest) => {
  const [holder, next] = [await open(url()), await open(url())];
  const key = freshKey();
  const held = await take(holder, key, { ttl: 60_000 });
  const killed = await Promise.all(
    Array.from({ length: dead }, () => waiterOf(key, 30_000, holder).catch((error) => error as Error)),
  );
  await until(async () => (await waitersOf(holder, key)) === dead);
  for (const worker of killed) {
    if (worker instanceof Error) throw worker;
    worker.kill('SIGKILL');
    await worker.exited;
  }
  await until(async () => (await sessionsThatListen()) === 2, 10_000, 'the database to see them gone');
  const waiting = take(next, key, { wait: 60_000, ttl: 60_000 });
  await until(async () => (await waitersOf(holder, key)) === dead + 1);
  const watch = stopwatch();
  await holder.release(held, rest);
  const grant = await waiting;
  const ran = watch.stop();
  // Their ttl is 30 s, and the next one looks by itself only seconds later.
  expect(ran).toBeGreaterThan(rest - 10);
  expect(ran).toBeLessThan(2_000);
  expect(grant.fence).toBeGreaterThan(held.fence);
});

const sessionsThatListen = async () => {
  const rows = await server.ask(
    `SELECT FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND granted`,
  );
  return rows.length;
};

test('a waiter that is stopped is handed the lock, and costs its ttl once', async () => {
  const [holder, next] = [await open(url()), await open(url())];
  const key = freshKey();
  const held = await take(holder, key, { ttl: 60_000 });
  const stopped = await waiterOf(key, 2_000, holder);
  const waiting = take(next, key, { wait: 60_000, ttl: 2_000 });
  await until(async () => (await waitersOf(holder, key)) === 2);
  stopped.kill('SIGSTOP');
  const released = performance.now();
  const watch = stopwatch();
  await holder.release(held);
  const grant = await waiting;
  const ran = watch.stop();
  const cost = performance.now() - released;
  expect(cost).toBeGreaterThan(1_900);
  // Its ttl, or the time between two looks of the next one, which is 2 s as well.
  expect(ran).toBeLessThan(2_000 + 2_000 + 1_500);
  expect(grant.fence).toBeGreaterThan(held.fence);
  stopped.kill('SIGCONT');
});

test('a waiter that has been stopped until its stamp is stale is skipped', async () => {
  const [holder, next] = [await open(url()), await open(url())];
  const key = freshKey();
  const held = await take(holder, key, { ttl: 60_000 });
  const stopped = await waiterOf(key, 300, holder);
  stopped.kill('SIGSTOP');
  const waiting = take(next, key, { wait: 60_000, ttl: 30_000 });
  await until(async () => (await waitersOf(holder, key)) === 2);
  // It vouches for three looks, of 300 ms each, and a second.
  await sleep(4_000);
  const fences = await server.ask<{ last: string }>('SELECT last FROM latchkey.lock WHERE name = $1', [
    Buffer.from(key),
  ]);
  const watch = stopwatch();
  await holder.release(held);
  const grant = await waiting;
  expect(watch.stop()).toBeLessThan(3_000);
  // Nobody had it between them.
  expect(grant.fence).toBeGreaterThan(Number(fences[0]!.last));
  stopped.kill('SIGCONT');
  await stopped.waitFor(() => true, 100).catch(() => {});
  expect(stopped.messages).toEqual([]);
});
