import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { lockName } from '../../../src/core/key.js';
import type { Grant, LockDriver } from '../../../src/lease/driver.js';
import { type LeakWatch, watchForLeaks } from '../../support/leaks.js';
import { type PostgresServer, startPostgres } from '../../support/postgres-server.js';
import { startProxy } from '../../support/proxy.js';
import { sleep, until } from '../../support/wait.js';
import { ask, back, closeAll, freshKey, open, take, timed } from './support/rig.js';

let server: PostgresServer;
let watch: LeakWatch;
let key: string;

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());
beforeEach(() => {
  watch = watchForLeaks();
  key = freshKey();
});
afterEach(async () => {
  server.resume();
  await closeAll();
  await watch.assertNone();
});

const url = () => ({ url: server.url() });

/** The sessions of our drivers, by what they did last. */
const terminate = (which: 'LISTEN' | 'commands') =>
  server.ask(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'latchkey'
    AND (pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory')) = $1`,
    [which === 'LISTEN'],
  );

const waiters = async (driver: LockDriver) => (await driver.inspect(key))?.waiters ?? 0;

/** Waits in the queue; resolves when the database has its place. */
async function queue(
  driver: LockDriver,
  observer: LockDriver,
  wait = 20_000,
): Promise<Promise<Grant | null>[]> {
  const before = await waiters(observer);
  const granted = ask(driver, key, { wait });
  granted.catch(() => {});
  await until(async () => (await waiters(observer)) > before, 10_000, 'a place');
  return [granted];
}

test('a driver that is closed while the server reads nothing leaves no connection behind', async () => {
  const driver = await open(url());
  // More than the buffers of a connection take, on each of them.
  const meta = { long: 'x'.repeat(8_000_000) };
  server.pause();
  const asked = Array.from({ length: 12 }, (_, k) => ask(driver, `${key}${k}`, { meta, wait: 20_000 }));
  const outcomes = Promise.allSettled(asked);
  await sleep(100);
  await driver.close();
  await outcomes;
  await watch.assertNone();
});

test('a server that was killed keeps holds and places, in their order', async () => {
  const [one, two] = [await open(url()), await open(url())];
  const held = await take(one, key, { ttl: 30_000 });
  const [first] = await queue(two, one);
  const [second] = await queue(one, one);
  // Places are not waited for until they are on the disk. This writes what came before.
  await server.ask('SELECT pg_switch_wal()');
  await server.restart();
  await Promise.all([back(one), back(two)]);
  const extended = await one.extend(held, 30_000);
  expect(extended?.fence).toBe(held.fence);
  expect(await ask(two, key)).toBe(null);
  expect(await one.release(extended!)).toBe(true);
  const next = (await first)!;
  expect(next.fence).toBeGreaterThan(held.fence);
  expect(await two.release(next)).toBe(true);
  const last = (await second)!;
  expect(last.fence).toBeGreaterThan(next.fence);
  expect(await one.release(last)).toBe(true);
});

test('while the server is down, whoever asks is told so, within its wait and a little', async () => {
  const one = await open(url());
  await server.kill();
  await until(async () => (await timed(one.ping())).error, 5_000);
  const [tried, waited] = await Promise.all([timed(ask(one, key)), timed(ask(one, key, { wait: 500 }))]);
  for (const { error } of [tried, waited]) {
    expect(error).toMatchObject({ code: 'LOCK_BACKEND' });
    expect(error?.message).toContain(`127.0.0.1:${server.port}`);
    expect(error?.message).not.toContain(server.password);
  }
  expect(waited.ms).toBeGreaterThan(400);
  expect(waited.ran).toBeLessThan(1_500);
  await server.start();
  await back(one);
  expect(await one.release(await take(one, key))).toBe(true);
});

test('a wait ends by its hard limit although the server is stopped, and what came too late is given back', async () => {
  const [one, two] = [await open(url()), await open(url())];
  const held = await take(one, key);
  server.pause();
  const { ms, ran, error } = await timed(ask(two, key, { wait: 500 }));
  expect(error).toMatchObject({ code: 'LOCK_BACKEND' });
  expect(ms).toBeGreaterThan(450);
  expect(ran).toBeLessThan(2_000);
  await sleep(2_500);
  server.resume();
  await Promise.all([back(one), back(two)]);
  await one.release(held);
  const again = await take(two, key, { wait: 20_000 });
  expect(await two.release(again)).toBe(true);
});

test('terminated command sessions lose no lock and no place', async () => {
  const [one, two] = [await open(url()), await open(url())];
  const held = await take(one, key, { ttl: 20_000 });
  const [first] = await queue(two, one);
  await terminate('commands');
  await sleep(50);
  await Promise.all([back(one), back(two)]);
  expect(await two.inspect(key)).toMatchObject({ waiters: 1 });
  expect(await one.release(held)).toBe(true);
  await two.release((await first)!);
});

test('a release whose session is terminated meanwhile is sent over the next one', async () => {
  const driver = await open(url());
  const held = await take(driver, key, { ttl: 60_000 });
  // The first session that writes the row ends itself. What it writes is undone, but a sequence goes on.
  await server.ask(`CREATE SEQUENCE writes;
    CREATE FUNCTION end_first() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF nextval('writes') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()), pg_sleep(10); END IF;
      RETURN NEW;
    END $$;
    CREATE TRIGGER ends BEFORE UPDATE ON latchkey.lock FOR EACH ROW EXECUTE FUNCTION end_first()`);
  try {
    expect(await driver.release(held)).toBe(true);
    expect(await server.ask('SELECT last_value > 1 AS again FROM writes')).toEqual([{ again: true }]);
    expect(await ask(driver, key)).toMatchObject({ key });
  } finally {
    await server.ask(`DROP FUNCTION end_first CASCADE; DROP SEQUENCE writes`);
  }
});

test('a process whose listening session was terminated keeps its places, and is handed the lock', async () => {
  const [one, two] = [await open(url()), await open(url())];
  const held = await take(one, key);
  const [first] = await queue(two, one);
  await terminate('LISTEN');
  await sleep(50);
  await Promise.all([back(one), back(two)]);
  expect(await one.release(held)).toBe(true);
  const { ran, value } = await timed(first!);
  expect(value).not.toBe(null);
  expect(ran).toBeLessThan(3_000);
  expect(await two.release(value!)).toBe(true);
});

test('sessions that are terminated all the time let nobody in beside a holder', async () => {
  const drivers = await Promise.all([open(url()), open(url()), open(url())]);
  let inside = 0;
  let most = 0;
  let holds = 0;
  let lastFence = 0;
  let fencesGrow = true;
  // As long as a slow machine takes for some holds.
  const [soon, late] = [performance.now() + 4_000, performance.now() + 20_000];
  const goesOn = () => performance.now() < (holds > 20 ? soon : late);
  const work = async (driver: LockDriver) => {
    while (goesOn()) {
      const grant = await ask(driver, key, { wait: 3_000 }).catch(() => null);
      if (!grant) continue;
      most = Math.max(most, ++inside);
      fencesGrow &&= grant.fence > lastFence;
      lastFence = grant.fence;
      holds++;
      await sleep(2);
      inside--;
      await driver.release(grant).catch(() => {});
    }
  };
  const killing = (async () => {
    while (goesOn()) {
      await sleep(150);
      await terminate(Math.random() < 0.5 ? 'LISTEN' : 'commands').catch(() => {});
    }
  })();
  await Promise.all([...drivers.flatMap((driver) => [work(driver), work(driver)]), killing]);
  expect({ most, fencesGrow }).toEqual({ most: 1, fencesGrow: true });
  expect(holds).toBeGreaterThan(20);
});

test('a row that a stranger has locked is contention, and holds up no other key', async () => {
  const one = await open({ ...url(), connections: 8 });
  const grant = await take(one, key);
  await one.release(grant);
  const stranger = await server.client();
  await stranger.query('BEGIN');
  await stranger.query('SELECT FROM latchkey.lock WHERE name = $1 FOR UPDATE', [Buffer.from(key)]);
  const waiting = ask(one, key, { wait: 20_000 });
  waiting.catch(() => {});
  expect(await ask(one, key)).toBe(null);
  const timedOut = await timed(ask(one, key, { wait: 300 }));
  // Those of one connection may be behind it, for 50 ms a command. A slow machine needs as long for one that is not.
  let least = Infinity;
  for (let round = 0; round < 20 && least >= 50; round++) {
    const others = await Promise.all(Array.from({ length: 8 }, () => timed(take(one, freshKey()))));
    least = Math.min(...others.map(({ ms }) => ms));
  }
  expect(least).toBeLessThan(50);
  expect(timedOut.error).toBe(undefined);
  expect(timedOut.value).toBe(null);
  await sleep(1_000);
  await stranger.end();
  const got = (await waiting)!;
  expect(got.fence).toBeGreaterThan(grant.fence);
  expect(await one.release(got)).toBe(true);
});

test('many who wait for a row that a stranger has locked wait on, in their order, and hold up nobody', async () => {
  const [one, two] = [await open({ ...url(), connections: 1 }), await open(url())];
  const held = await take(two, key, { ttl: 30_000 });
  const stranger = await server.client();
  await stranger.query('BEGIN');
  await stranger.query('SELECT FROM latchkey.lock WHERE name = $1 FOR UPDATE', [Buffer.from(key)]);
  const order: number[] = [];
  const waiting = Array.from({ length: 300 }, async (_, i) => {
    const grant = await take(one, key, { wait: 60_000 });
    order.push(i);
    await one.release(grant);
  });
  const other = await timed(take(one, freshKey(), { wait: 5_000 }));
  await sleep(2_700);
  await stranger.end();
  await two.release(held);
  await Promise.all(waiting);
  expect(other.error).toBe(undefined);
  expect(other.ran).toBeLessThan(3_000);
  expect(order).toEqual([...order].sort((a, b) => a - b));
});

test('who is handed the lock while another process claims it gets it, and not when its time is up', async () => {
  const [one, two] = [await open(url()), await open(url())];
  const held = await take(two, key, { ttl: 30_000 });
  const [first] = await queue(one, two);
  const [second] = await queue(one, two);
  const stranger = await server.client();
  await stranger.query('BEGIN');
  await stranger.query('SELECT pg_advisory_xact_lock(latchkey.turn_of(sha256($1)))', [Buffer.from(key)]);
  await two.release(held);
  await sleep(200);
  await stranger.end();
  const served = await timed(first!);
  expect(served.ran).toBeLessThan(2_000);
  await one.release(served.value!);
  expect(await one.release((await second)!)).toBe(true);
});

test('a key that rested goes to the next one in time, though the first, who was told of the rest, has given up', async () => {
  const [one, two, three] = [await open(url()), await open(url()), await open(url())];
  const held = await take(one, key);
  const gone = new AbortController();
  const first = ask(two, key, { wait: 20_000, signal: gone.signal });
  first.catch(() => {});
  await until(async () => (await waiters(one)) === 1, 10_000, 'a place');
  const [second] = await queue(three, one);
  const free = timed(second!);
  await one.release(held, 700);
  await sleep(100);
  gone.abort(new Error('gone'));
  await expect(first).rejects.toThrow('gone');
  const { ms, ran, value } = await free;
  expect(ms).toBeGreaterThan(650);
  expect(ran).toBeLessThan(1_300);
  expect(await three.release(value!)).toBe(true);
});

test('a row that a stranger has locked keeps neither a renewal of another key nor its release', async () => {
  const one = await open({ ...url(), connections: 1 });
  const other = freshKey();
  const [blocked, free] = [await take(one, key), await take(one, other)];
  const stranger = await server.client();
  await stranger.query('BEGIN');
  await stranger.query('SELECT FROM latchkey.lock WHERE name = $1 FOR UPDATE', [Buffer.from(key)]);
  const answers = await one.extendMany!([
    { grant: blocked, ttl: 20_000 },
    { grant: free, ttl: 20_000 },
  ]);
  expect(answers[0]).toMatchObject({ code: 'LOCK_BACKEND' });
  expect(answers[1]).toMatchObject({ fence: free.fence });
  const released = timed(one.release(blocked));
  expect(await one.release(free)).toBe(true);
  expect((await released).error).toMatchObject({ code: 'LOCK_BACKEND' });
  await stranger.end();
  // The release is made good.
  await until(async () => (await one.inspect(key)) === null, 5_000, 'the key to be free');
});

test('a statement time-out is an outage, and passes', async () => {
  const one = await open(url());
  await one.release(await take(one, key));
  const stranger = await server.client();
  await stranger.query('SET statement_timeout = 0');
  await stranger.query('BEGIN');
  await stranger.query('SELECT FROM latchkey.lock WHERE name = $1 FOR UPDATE', [Buffer.from(key)]);
  await server.ask(`ALTER SYSTEM SET statement_timeout = '40ms'`);
  await server.ask('SELECT pg_reload_conf()');
  // Sessions take it over one by one.
  const error = await until(async () => (await timed(ask(one, key, { wait: 500 }))).error);
  await stranger.query('COMMIT');
  await stranger.query('ALTER SYSTEM RESET statement_timeout');
  await stranger.query('SELECT pg_reload_conf()');
  await stranger.end();
  expect(error).toMatchObject({ code: 'LOCK_BACKEND' });
  expect(error.message).toContain('statement timeout');
  const grant = await until(() => ask(one, key, { wait: 5_000 }));
  expect(await until(() => one.release(grant))).toBe(true);
});

test('a reached connection limit is told, and passes', async () => {
  await server.ask(`CREATE ROLE few LOGIN PASSWORD '${server.password}' CONNECTION LIMIT 2`);
  await server.ask('GRANT CREATE ON DATABASE postgres TO few');
  const one = await open({ url: server.url({ user: 'few' }), schema: 'few' }, true);
  const error = await until(async () => {
    const { error: told } = await timed(one.ping());
    return told?.message.includes('too many connections') && told;
  });
  expect(error).toMatchObject({ code: 'LOCK_BACKEND' });
  await server.ask('ALTER ROLE few CONNECTION LIMIT 10');
  await until(() => one.ping().then(() => true), 10_000);
  expect(await one.release(await take(one, key))).toBe(true);
});

test('a connection that is cut or silent is made again, and the loss is told on time', async () => {
  const proxy = await startProxy(server.port);
  const one = await open({ url: server.url({ port: proxy.port }) });
  const two = await open(url());
  const held = await take(one, key, { ttl: 3_000 });
  const [first] = await queue(two, two);
  proxy.blackhole();
  const extended = await timed(one.extend(held, 10_000));
  expect(extended.error).toMatchObject({ code: 'LOCK_BACKEND' });
  // Also one that was made just before is given up after 2 s.
  expect(extended.ms).toBeGreaterThan(1_900);
  expect(extended.ran).toBeLessThan(5_000);
  const next = (await first)!;
  expect(performance.now()).toBeGreaterThan(held.validUntil);
  proxy.passThrough();
  await until(() => one.ping().then(() => true), 10_000);
  expect(await one.release(held)).toBe(false);
  expect(await two.release(next)).toBe(true);
  await one.close();
  await proxy.close();
});

test('while only the connection for messages cannot be made, holds are renewed and freed', async () => {
  const proxy = await startProxy(server.port);
  const one = await open({ ...url(), listenUrl: server.url({ port: proxy.port }) });
  const two = await open(url());
  const held = await take(one, key, { ttl: 5_000 });
  proxy.refuse();
  proxy.reset();
  await until(async () => (await timed(ask(one, freshKey()))).error, 10_000, 'the loss to be noticed');
  const extended = (await one.extend(held, 20_000))!;
  expect(extended.validUntil).toBeGreaterThan(held.validUntil + 10_000);
  expect(await one.release(extended)).toBe(true);
  expect(await two.inspect(key)).toBeNull();
  await proxy.accept();
  await back(one);
  expect(await one.release(await take(one, key))).toBe(true);
  await one.close();
  await proxy.close();
});

test('while one connection for commands cannot be made, all holds are renewed and freed over the others', async () => {
  const two = await open(url());
  // One who is no superuser, whose sessions can be limited.
  await server.ask(`CREATE ROLE strict LOGIN PASSWORD '${server.password}'; GRANT USAGE ON SCHEMA latchkey TO strict;
    GRANT ALL ON ALL TABLES IN SCHEMA latchkey TO strict; GRANT ALL ON ALL SEQUENCES IN SCHEMA latchkey TO strict`);
  const one = await open({ url: server.url({ user: 'strict' }) });
  const held = await Promise.all(Array.from({ length: 12 }, () => take(one, freshKey(), { ttl: 5_000 })));
  await server.ask('ALTER ROLE strict CONNECTION LIMIT 3');
  await server.ask(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'strict'
    AND pid NOT IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory') LIMIT 1`,
  );
  await until(async () => (await timed(ask(one, freshKey()))).error, 10_000, 'the loss to be noticed');
  const extended = await one.extendMany!(held.map((grant) => ({ grant, ttl: 20_000 })));
  for (const grant of extended as Grant[])
    expect(grant).toMatchObject({ validUntil: expect.any(Number), key: expect.any(String) });
  expect(await Promise.all((extended as Grant[]).map((grant) => one.release(grant)))).not.toContain(false);
  for (const { key } of held) expect(await two.inspect(key)).toBeNull();
  await server.ask('ALTER ROLE strict CONNECTION LIMIT -1');
  await back(one);
});

test('a key whose name fits in no message is handed over all the same: its waiters look', async () => {
  const [one, two] = [await open(url()), await open(url())];
  // Escaped it has 6,144 bytes, and 8,300 in a message.
  key = lockName('lock:', '%'.repeat(2_048));
  const held = await take(one, key, { ttl: 60_000 });
  const [waiting] = await queue(two, one);
  expect(await one.release(held)).toBe(true);
  const { ran, value } = await timed(waiting!);
  expect(value!.fence).toBeGreaterThan(held.fence);
  expect(ran).toBeLessThan(7_000);
  expect(await one.revoke!(key, value!.fence)).toBe(true);
  expect(await two.release(value!)).toBe(false);
});

test('while the queue of notifications is full a hand-over is an outage, and it goes on when that can be emptied', async () => {
  const small = await startPostgres(['max_notify_queue_pages=64']);
  try {
    const [one, two] = [await open({ url: small.url() }), await open({ url: small.url() })];
    const held = await take(one, key, { ttl: 60_000 });
    const waiting = take(two, key, { wait: 50_000 });
    waiting.catch(() => {});
    await until(async () => (await one.inspect(key))?.waiters === 1);
    const listener = await small.client();
    await listener.query('LISTEN others');
    await listener.query('BEGIN; SELECT 1');
    const fill = () =>
      small.ask(`SELECT pg_notify('others', repeat('x', 7000) || g) FROM generate_series(1, 10) g`).then(
        () => false,
        (error) => error.message.includes('NOTIFY queue'),
      );
    await until(fill, 20_000, 'a full queue');
    expect((await timed(one.release(held))).error).toMatchObject({ code: 'LOCK_BACKEND' });
    // Other keys need no message.
    const other = await take(one, freshKey());
    expect(await one.release(other)).toBe(true);
    await listener.end();
    const empties = async () => {
      // As every driver does it now and then.
      await small.ask(`SELECT latchkey.sweep('', 1)`);
      return small.ask(`SELECT pg_notify('others', '')`).then(
        () => true,
        () => false,
      );
    };
    await until(empties, 20_000, 'room in the queue');
    const next = await waiting;
    expect(next.fence).toBeGreaterThan(held.fence);
    expect(await two.release(next)).toBe(true);
  } finally {
    await closeAll();
    await small.stop();
  }
});
