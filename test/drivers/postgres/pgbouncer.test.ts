import { afterAll, afterEach, beforeAll, expect, jest, test } from '@jest/globals';
import pg from 'pg';
import { type Bouncer, hasBouncer, startBouncer } from '../../support/pgbouncer.js';
import { type PostgresServer, startPostgres } from '../../support/postgres-server.js';
import { startProxy } from '../../support/proxy.js';
import { sleep, stopwatch, until } from '../../support/wait.js';
import { ask, closeAll, freshKey, open, take } from './support/rig.js';
import { claimOf, closeStores, PLACE, processOn, waitsForLocks } from './support/stores.js';

const there = hasBouncer();
// Where it can neither be found nor installed.
const behind = there ? test : test.skip;

let server: PostgresServer;
let bouncer: Bouncer;
beforeAll(async () => {
  if (!there) return;
  server = await startPostgres();
  bouncer = await startBouncer(server, 'transaction');
}, 60_000);
afterAll(async () => {
  await bouncer?.stop();
  await server?.stop();
});
afterEach(closeAll);

const advisoryLocks = async () => {
  const rows = await server.ask(`SELECT FROM pg_locks WHERE locktype = 'advisory'`);
  return rows.length;
};

behind('commands go through a pooler by transaction, messages by an address of their own', async () => {
  const options = { url: bouncer.url, listenUrl: server.url() };
  const drivers = await Promise.all([open(options), open(options), open(options)]);
  expect(await advisoryLocks()).toBe(3);
  const key = freshKey();
  const held = await take(drivers[0]!, key);
  const next = take(drivers[1]!, key, { wait: 20_000 });
  await until(async () => (await drivers[0]!.inspect(key))?.waiters === 1);
  const last = take(drivers[2]!, key, { wait: 20_000 });
  await until(async () => (await drivers[0]!.inspect(key))?.waiters === 2);
  const watch = stopwatch();
  await drivers[0]!.release(held);
  const grant = await next;
  expect(watch.stop()).toBeLessThan(3_000);
  expect((await drivers[1]!.extend(grant, 20_000))?.fence).toBe(grant.fence);
  await drivers[1]!.release(grant);
  await drivers[2]!.release(await last);
});

behind(
  'where no message comes through it asks again and again, says so once, and locks nothing for good',
  async () => {
    const warnings: Error[] = [];
    const { emitWarning } = process;
    process.emitWarning = (text, options) =>
      void warnings.push(Object.assign(new Error(String(text)), options));
    try {
      const [one, two] = [await open({ url: bouncer.url }), await open({ url: bouncer.url })];
      expect(warnings).toHaveLength(1);
      expect(warnings[0]).toMatchObject({ code: 'LATCHKEY_LISTEN' });
      expect(warnings[0]?.message).toContain('listenUrl');
      expect(await advisoryLocks()).toBe(0);
      const key = freshKey();
      const held = await take(one, key);
      const next = take(two, key, { wait: 10_000 });
      await until(async () => (await one.inspect(key))?.waiters === 1);
      await sleep(300);
      const watch = stopwatch();
      await one.release(held);
      const grant = await next;
      expect(watch.stop()).toBeLessThan(2_500);
      expect(await two.release(grant)).toBe(true);
    } finally {
      process.emitWarning = emitWarning;
    }
  },
);

behind(
  'after its connection was lost it asks about those alone who claim again',
  async () => {
    const proxy = await startProxy(Number(new URL(bouncer.url).port));
    const url = new URL(bouncer.url);
    url.port = `${proxy.port}`;
    const query = jest.spyOn(pg.Client.prototype, 'query');
    try {
      const { store, events } = await processOn({ url: url.href });
      const polls = () =>
        query.mock.calls.filter(([asked]) => (asked as { text?: string }).text?.includes('.poll(')).length;
      const key = freshKey();
      await store.claim(claimOf(key, 'holder'));
      await store.claim(claimOf(key, 'waiter'), PLACE);
      await until(() => polls() > 1);
      proxy.reset();
      await until(() => events.filter(({ kind }) => kind === 'ready').length === 2, 20_000);
      await sleep(300);
      query.mockClear();
      await sleep(500);
      expect(polls()).toBe(0);
      await store.claim(claimOf(key, 'waiter'), PLACE);
      await until(() => polls() > 1);
    } finally {
      query.mockRestore();
      await closeStores();
      await proxy.close();
    }
  },
  60_000,
);

/** How many questions about places were sent since `query` was cleared. */
function watchPolls() {
  const query = jest.spyOn(pg.Client.prototype, 'query');
  const polls = () =>
    query.mock.calls.filter(([asked]) => (asked as { text?: string }).text?.includes('.poll(')).length;
  return { query, polls };
}

behind('it asks no more about one that has left, though both answers are read at once', async () => {
  const { query, polls } = watchPolls();
  try {
    const { store } = await processOn({ url: bouncer.url });
    const key = freshKey();
    await store.claim(claimOf(key, 'holder'));
    const claimed = store.claim(claimOf(key, 'waiter'), PLACE);
    const left = store.leave(key, ['waiter'], false);
    // What was asked has been sent; a process that stands still reads the answers together.
    await sleep(1);
    const end = Date.now() + 300;
    while (Date.now() < end);
    expect(await claimed).toMatchObject({ granted: false });
    await left;
    query.mockClear();
    await sleep(500);
    expect(polls()).toBe(0);
  } finally {
    query.mockRestore();
    await closeStores();
  }
});

// As one whom a hold was handed on to, and whose release comes long after its time.
behind('it asks no more about one that is given back, though its place was never answered', async () => {
  const { query, polls } = watchPolls();
  try {
    const { store } = await processOn({ url: bouncer.url });
    const key = freshKey();
    await store.claim(claimOf(key, 'holder'));
    await store.claim(claimOf(key, 'waiter'), PLACE);
    await until(() => polls() > 1);
    await store.free({ key, token: 'waiter' }, { mode: 'write', usedFence: 7 });
    query.mockClear();
    await sleep(500);
    expect(polls()).toBe(0);
  } finally {
    query.mockRestore();
    await closeStores();
  }
});

behind(
  'a claim that was run although the pooler lost the server is given back',
  async () => {
    const proxy = await startProxy(server.port);
    const cut = await startBouncer(server, 'transaction', proxy.port);
    try {
      const [driver, other] = [
        await open({ url: cut.url, listenUrl: server.url() }),
        await open({ url: server.url() }),
      ];
      const key = freshKey();
      await other.release(await take(other, key));
      // Whoever writes the row waits for the stranger, whatever its own patience.
      const stranger = await server.client();
      await stranger.query('SELECT pg_advisory_lock(42)');
      await server.ask(`CREATE FUNCTION wait_for_stranger() RETURNS trigger LANGUAGE plpgsql SET lock_timeout = 0 AS $$ BEGIN
          PERFORM pg_advisory_xact_lock_shared(42);
          RETURN NEW;
        END $$;
        CREATE TRIGGER waits BEFORE UPDATE ON latchkey.lock FOR EACH ROW EXECUTE FUNCTION wait_for_stranger()`);
      const asked = ask(driver, key, { ttl: 600_000 }).catch((error: Error) => error);
      await until(() => waitsForLocks(server, 1));
      proxy.refuse();
      proxy.reset();
      await stranger.query('SELECT pg_advisory_unlock(42)');
      expect(await asked).toMatchObject({ code: 'LOCK_BACKEND' });
      await until(async () => (await other.inspect(key))?.holders.length === 1);
      await proxy.accept();
      await until(async () => (await other.inspect(key)) === null, 20_000, 'the hold to be given back');
    } finally {
      await server.ask('DROP FUNCTION IF EXISTS wait_for_stranger CASCADE');
      await closeAll();
      await cut.stop();
      await proxy.close();
    }
  },
  60_000,
);

behind('a pooler by session passes messages', async () => {
  const bySession = await startBouncer(server, 'session');
  const one = await open({ url: server.url() });
  const two = await open({ url: bySession.url });
  expect(await advisoryLocks()).toBe(2);
  const key = freshKey();
  const held = await take(one, key);
  const next = take(two, key, { wait: 10_000 });
  await until(async () => (await one.inspect(key))?.waiters === 1);
  await one.release(held);
  await two.release(await next);
  await closeAll();
  await bySession.stop();
});
