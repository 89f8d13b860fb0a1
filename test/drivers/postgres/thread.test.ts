import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { postgresDriver } from '../../../src/drivers/postgres/driver.js';
import type { Locker } from '../../../src/lease/locker.js';
import { LockRegistry } from '../../../src/registry.js';
import { type PostgresServer, startPostgres } from '../../support/postgres-server.js';
import { sleep, until } from '../../support/wait.js';
import { TTL } from '../support/thread/child.js';
import { Children, finished } from '../support/thread/kit.js';
import { threadSuite } from '../support/thread/suite.js';

let server: PostgresServer;
let registry: LockRegistry;
let here: Locker;

beforeAll(async () => {
  server = await startPostgres();
  registry = new LockRegistry().registerDriver('postgres', () => postgresDriver({ url: server.url() }));
  here = registry.registerLocker('default', { driver: 'postgres' }).mustOf();
  await registry.connect();
});
afterAll(async () => {
  await registry.close({ grace: 0 });
  await server.stop();
});

const children = new Children('postgres', () => server.url());

threadSuite(
  {
    driver: 'postgres',
    workerFile: 'postgres/postgres-renewal-worker.js',
    trials: { processes: 2, keys: 2, rounds: 3 },
    url: () => server.url(),
    rival: () => here,
    steal: (key) => server.ask('UPDATE latchkey.lock SET token = NULL WHERE name = $1', [`lock:{${key}}`]),
  },
  children,
);

/** How many sessions there are with this name. */
async function sessions(name: string): Promise<number> {
  const rows = await server.ask('SELECT FROM pg_stat_activity WHERE application_name = $1', [name]);
  return rows.length;
}

test('a revocation is told to the process at once, although the thread renews', async () => {
  const tries = 3;
  const holder = children.start(`
    const by = locker();
    for (let n = 0; n < ${tries}; n++) {
      const lease = await by.acquire('g', { ttl: '30s', wait: '20s' });
      await lease.refresh('6s');
      // Until the thread has renewed it.
      await sleep(3000);
      send({ n, fence: lease.fence });
      await new Promise((resolve) => lease.signal.addEventListener('abort', resolve));
      send({ told: n, at: Date.now(), reason: reasonOf(lease) });
    }
    await close();
  `);
  const took: number[] = [];
  for (let round = 0; round < tries; round++) {
    const { fence } = await holder.waitFor(({ n }) => n === round);
    const asked = Date.now();
    expect(await here.revoke('g', fence as number)).toBe(true);
    const { at, reason } = await holder.waitFor(({ told }) => told === round);
    expect(reason).toBe('revoked');
    took.push((at as number) - asked);
  }
  await finished(holder);
  // Its next renewal is a second away. Of several the best counts: a machine may stall.
  expect(Math.min(...took)).toBeLessThan(900);
});

test('a server that is killed and started again under a block takes nothing away', async () => {
  const holder = children.start(`
    const lease = await locker().acquire('h', { ttl: '10s' });
    send({ fence: lease.fence });
    block(13000);
    const { held } = lease;
    // The main thread may not have read yet that its connection is closed.
    send({ held, released: await lease.release().catch(({ code }) => code) });
    await close();
  `);
  await holder.waitFor((message) => 'fence' in message);
  await sleep(500);
  await server.restart();
  await finished(holder);
  expect(holder.messages[1]).toEqual({ held: true, released: expect.anything() });
  expect([true, 'LOCK_BACKEND']).toContain(holder.messages[1]!.released);
}, 60_000);

test('a password that is a function cannot be sent to a thread: the warning names it, and the main thread renews', async () => {
  const holder = children.start(
    `
    const { PORT, PASSWORD } = process.env;
    const lease = await locker({ host: '127.0.0.1', port: +PORT, user: 'postgres', password: () => PASSWORD }).acquire('k');
    await sleep(${2 * TTL});
    send({ held: lease.held, warnings, threads: threads.length });
    await close();
  `,
    { PORT: `${server.port}`, PASSWORD: server.password },
  );
  await finished(holder);
  expect(holder.messages).toEqual([{ held: true, warnings: ['LATCHKEY_THREAD'], threads: 0 }]);
  expect(holder.stderr()).toContain('`password`');
  expect(holder.stderr()).not.toContain(server.password);
});

test('the thread connects as a pool that is lent does, hidden password and all, by one session with a name', async () => {
  const holder = children.start(
    `
    import pg from 'pg';
    const { PORT, PASSWORD } = process.env;
    const pool = new pg.Pool({
      host: '127.0.0.1', port: +PORT, user: 'postgres', password: PASSWORD, application_name: 'mine', verify() {},
    });
    const lease = await locker(pool).acquire('l');
    send({ up: true });
    block(${3 * TTL});
    send({ held: lease.held, warnings });
    for await (const _ of received) break;
    await close();
    await pool.end();
    process.stdin.destroy();
  `,
    { PORT: `${server.port}`, PASSWORD: server.password },
  );
  await holder.waitFor(({ up }) => up === true);
  await until(async () => (await sessions('latchkey-renewal')) === 1, 10_000, 'the session of the thread');
  expect(await sessions('mine')).toBe(4);
  expect(await holder.waitFor((message) => 'held' in message)).toEqual({ held: true, warnings: [] });
  holder.send({});
  await finished(holder);
  await until(async () => (await sessions('latchkey-renewal')) === 0, 10_000, 'the end of its session');
});
