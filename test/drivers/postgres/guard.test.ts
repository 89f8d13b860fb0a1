import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import pg from 'pg';
import { systemClock } from '../../../src/core/clock.js';
import { postgresDriver } from '../../../src/drivers/postgres/driver.js';
import { guard, guardedTransaction } from '../../../src/drivers/postgres/guard.js';
import type { Lease } from '../../../src/lease/lease.js';
import { LockRegistry } from '../../../src/registry.js';
import { type PostgresServer, startPostgres } from '../../support/postgres-server.js';
import { sleep, until } from '../../support/wait.js';
import { take } from './support/rig.js';

let server: PostgresServer;
let pool: pg.Pool;
let registries: LockRegistry[];
let key: string;

beforeAll(async () => {
  server = await startPostgres();
  await server.ask('CREATE TABLE account (id text PRIMARY KEY, balance int NOT NULL)');
  pool = new pg.Pool({ connectionString: server.url() });
});
afterAll(async () => {
  await pool.end();
  await server.stop();
});
beforeEach(async () => {
  registries = [];
  key = `account-${Math.random()}`;
  await server.ask('INSERT INTO account VALUES ($1, 100)', [key]);
});
afterEach(() => Promise.all(registries.map((registry) => registry.close({ grace: 0 }))));

function locker(schema = 'latchkey') {
  const registry = new LockRegistry();
  registry.registerDriver('postgres', () => postgresDriver({ url: server.url(), schema }));
  registry.registerLocker('default', { driver: 'postgres' });
  registries.push(registry);
  return registry.mustOf();
}

const balance = async () =>
  (await server.ask<{ balance: number }>('SELECT balance FROM account WHERE id = $1', [key]))[0]!.balance;

/** A client in a transaction that has not ended. */
async function begun(isolation = 'READ COMMITTED'): Promise<pg.PoolClient> {
  const client = await pool.connect();
  await client.query(`BEGIN ISOLATION LEVEL ${isolation}`);
  return client;
}

async function end(client: pg.PoolClient, how: 'COMMIT' | 'ROLLBACK'): Promise<void> {
  await client.query(how);
  client.release();
}

const reasonOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: Error & { code?: string }) => error,
  );

/** Makes the server take the time of the hold for over. */
const expire = () =>
  server.ask(`UPDATE latchkey.lock SET ends = clock_timestamp() - interval '1 ms' WHERE name = $1`, [
    Buffer.from(`lock:{${key}}`),
  ]);

test('a guarded transaction writes, and the key is free after it', async () => {
  const [one, two] = [locker(), locker()];
  const value = await one.with(key, (lease) =>
    guardedTransaction(pool, lease, async (client) => {
      await client.query('UPDATE account SET balance = 90 WHERE id = $1', [key]);
      return 'done';
    }),
  );
  expect(value).toBe('done');
  expect(await balance()).toBe(90);
  await (await two.acquire(key, { wait: 10_000 })).release();
});

test('a transaction that fails is rolled back, and its connection is given back', async () => {
  const failing = locker().with(key, (lease) =>
    guardedTransaction(pool, lease, async (client) => {
      await client.query('UPDATE account SET balance = 90 WHERE id = $1', [key]);
      throw new Error('of my own');
    }),
  );
  expect((await reasonOf(failing))?.message).toBe('of my own');
  expect(await balance()).toBe(100);
  expect(pool.idleCount).toBe(pool.totalCount);
});

test('a transaction in which a query has failed rejects, also when its function goes on: nothing is committed', async () => {
  const failed = locker().with(key, (lease) =>
    guardedTransaction(pool, lease, async (client) => {
      await client.query('UPDATE account SET balance = 90 WHERE id = $1', [key]);
      await client.query('SELECT 1 / 0').catch(() => {});
    }),
  );
  expect(await reasonOf(failed)).toMatchObject({ code: 'LOCK_USAGE', option: 'fn' });
  expect(await balance()).toBe(100);
});

test('a transaction whose session is terminated while its function does something else rejects, and that is all', async () => {
  const sessions = async () =>
    (await server.ask("SELECT FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'")).length;
  const terminated = locker().with(key, (lease) =>
    guardedTransaction(pool, lease, async (client) => {
      await client.query('UPDATE account SET balance = 90 WHERE id = $1', [key]);
      await server.ask(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'",
      );
      await until(async () => (await sessions()) === 0, 5_000, 'the session to be gone');
      await sleep(100);
    }),
  );
  expect(await reasonOf(terminated)).toBeInstanceOf(Error);
  expect(await balance()).toBe(100);
  expect(pool.idleCount).toBe(pool.totalCount);
  await (await locker().acquire(key, { wait: 10_000 })).release();
});

test('a lease whose time is up cannot be guarded, and its transaction cannot be committed', async () => {
  const lease = await locker().acquire(key, { ttl: '10s' });
  const client = await begun();
  await client.query('UPDATE account SET balance = 90 WHERE id = $1', [key]);
  await expire();
  expect(await reasonOf(guard(client, lease))).toMatchObject({ code: 'LOCK_LOST' });
  await end(client, 'COMMIT');
  expect(await balance()).toBe(100);
});

test.each(['write', 'read'] as const)(
  'while a transaction guards a %s lease, nobody else gets the key, though its time is up',
  async (mode) => {
    const [one, two] = [locker(), locker()];
    const lease = await one.acquire(key, { ttl: '20s', mode });
    const client = await begun();
    await guard(client, lease);
    expect(await lease.refresh(300)).toBe(true);
    const next = two.acquire(key, { wait: 15_000 });
    let got = false;
    next.then(() => {
      got = true;
    });
    await sleep(900);
    expect(lease.held).toBe(false);
    expect(got).toBe(false);
    expect(await two.tryAcquire(key)).toBe(null);
    await client.query('UPDATE account SET balance = 90 WHERE id = $1', [key]);
    await end(client, 'COMMIT');
    await (await next).release();
    expect(await balance()).toBe(90);
  },
);

test('a guarded lease can be renewed', async () => {
  const lease = await locker().acquire(key, { ttl: '10s' });
  const client = await begun();
  await guard(client, lease);
  expect(await lease.refresh('20s')).toBe(true);
  expect(lease.ttl()).toBeGreaterThan(15_000);
  await guard(client, lease);
  await end(client, 'COMMIT');
});

test('a release under a guard does not hand the key over before the transaction ends', async () => {
  const [one, two] = [locker(), locker()];
  const lease = await one.acquire(key);
  const client = await begun();
  await guard(client, lease);
  const next = two.acquire(key, { wait: 10_000 });
  let got = false;
  next.then(() => {
    got = true;
  });
  await sleep(100);
  expect(await lease.release()).toBe(true);
  await sleep(300);
  expect(got).toBe(false);
  await end(client, 'COMMIT');
  await (await next).release();
});

test.each([true, false])(
  'a hold is handed on inside the process unless it was guarded: guarded %p',
  async (guarded) => {
    // For which a turn in the process lasts two seconds.
    const clock = { now: () => performance.now() / 100, after: systemClock.after };
    const [one, two] = await Promise.all([
      postgresDriver({ url: server.url() }),
      postgresDriver({ url: server.url() }, { clock }),
    ]);
    const name = `lock:{${key}}`;
    const first = await take(one, name);
    const waiting = [1, 2].map(() => take(two, name, { wait: 20_000 }));
    await until(async () => (await one.inspect(name))?.waiters === 2);
    const client = await begun();
    await one.release(first);
    const { token, ...grant } = await Promise.race(waiting);
    const next = waiting.map((each) => each.then((got) => (got.token === token ? undefined : got)));
    if (guarded) await guard(client, { token, key, keys: [key], ensureHeld: () => {} } as unknown as Lease);
    expect(await two.release({ token, ...grant })).toBe(true);
    const handedOn = Promise.any(
      next.map(async (each) => (await each) ?? Promise.reject(new Error('its own'))),
    );
    if (guarded) expect(await Promise.race([handedOn, sleep(400)])).toBe(undefined);
    else expect(await handedOn).toMatchObject({ fence: grant.fence + 1 });
    await end(client, 'COMMIT');
    const last = (await Promise.all(next)).find((got) => got !== undefined)!;
    if (guarded) expect(last.fence).toBeGreaterThan(grant.fence + 63);
    expect(await two.release(last)).toBe(true);
    await Promise.all([one.close(), two.close()]);
  },
);

test('all keys of a lease are guarded', async () => {
  const [one, two] = [locker(), locker()];
  const other = `${key}-other`;
  const lease = await one.acquire([key, other], { ttl: '10s' });
  const client = await begun();
  await guard(client, lease);
  await server.ask(`UPDATE latchkey.lock SET ends = clock_timestamp()`);
  expect(await two.tryAcquire(key)).toBe(null);
  expect(await two.tryAcquire(other)).toBe(null);
  await end(client, 'ROLLBACK');
  await (await two.acquire([key, other], { wait: 10_000 })).release();
  const again = await begun();
  expect(await reasonOf(guard(again, lease))).toMatchObject({ code: 'LOCK_LOST' });
  await end(again, 'ROLLBACK');
});

test('a guard waits for nobody who has locked the row of the key', async () => {
  const lease = await locker().acquire(key);
  const stranger = await begun();
  await stranger.query('SELECT FROM latchkey.lock WHERE name = $1 FOR UPDATE', [
    Buffer.from(`lock:{${key}}`),
  ]);
  const client = await begun();
  await client.query(`SET LOCAL statement_timeout = '5s'`);
  await guard(client, lease);
  await end(client, 'COMMIT');
  await end(stranger, 'ROLLBACK');
});

test('in a repeatable transaction that began before the key changed hands, a guard fails', async () => {
  const [one, two] = [locker(), locker()];
  const lease = await one.acquire(key, { ttl: '10s' });
  const client = await begun('REPEATABLE READ');
  await client.query('SELECT 1 FROM account');
  await expire();
  const next = await two.acquire(key);
  const reason = await reasonOf(guard(client, lease));
  await end(client, 'COMMIT');
  expect(reason).toMatchObject({ code: '40001' });
  await next.release();
});

test.each(['REPEATABLE READ', 'SERIALIZABLE'])(
  'in a %s transaction, a guard holds, and lets the lease be renewed',
  async (isolation) => {
    const [one, two] = [locker(), locker()];
    const lease = await one.acquire(key, { ttl: '10s' });
    const client = await begun(isolation);
    await guard(client, lease);
    expect(await lease.refresh('20s')).toBe(true);
    await expire();
    expect(await two.tryAcquire(key)).toBe(null);
    await end(client, 'COMMIT');
    await (await two.acquire(key, { wait: 10_000 })).release();
  },
);

test('what is no transaction, and what is no lease of PostgreSQL, is refused', async () => {
  const lease = await locker().acquire(key);
  expect(await reasonOf(guard(pool, lease))).toMatchObject({ code: 'LOCK_USAGE', option: 'client' });
  const idle = await pool.connect();
  expect(await reasonOf(guard(idle, lease))).toMatchObject({ code: 'LOCK_USAGE', option: 'client' });
  idle.release();
  const memory = await new LockRegistry().mustOf().acquire(key);
  const client = await begun();
  expect(await reasonOf(guard(client, memory))).toMatchObject({ code: 'LOCK_USAGE', option: 'lease' });
  await lease.release();
  expect(await reasonOf(guard(client, lease))).toMatchObject({ code: 'LOCK_NOT_HELD' });
  await end(client, 'ROLLBACK');
  await memory.release();
});

test('a guard lasts beyond a savepoint, and ends when one that is older is rolled back to', async () => {
  const [one, two] = [locker(), locker()];
  const lease = await one.acquire(key, { ttl: '10s' });
  const client = await begun();
  await client.query('SAVEPOINT before');
  await guard(client, lease);
  await client.query('SAVEPOINT after');
  await client.query('ROLLBACK TO after');
  await client.query('RELEASE SAVEPOINT before');
  await expire();
  expect(await two.tryAcquire(key)).toBe(null);
  await end(client, 'COMMIT');
  const next = await two.acquire(key, { wait: 10_000 });
  const other = await begun();
  await other.query('SAVEPOINT before');
  await guard(other, next);
  await other.query('ROLLBACK TO before');
  expect(await next.release()).toBe(true);
  await end(other, 'COMMIT');
});

test('a guard finds the locks of another schema', async () => {
  const lease: Lease = await locker('other_locks').acquire(key);
  await guardedTransaction(pool, lease, (client) =>
    client.query('UPDATE account SET balance = 80 WHERE id = $1', [key]),
  );
  expect(await balance()).toBe(80);
});

test('to end a hold does not meet that of another key with the same fence', async () => {
  const one = locker();
  const [first, second] = [await one.acquire(key), await one.acquire(`${key}-2`)];
  await server.ask('UPDATE latchkey.lock SET fence = 77 WHERE token IS NOT NULL');
  const client = await begun();
  await client.query(`SELECT latchkey.guard(ARRAY[$1::bytea], ARRAY[77::int8])`, [
    Buffer.from(`lock:{${key}}`),
  ]);
  expect(await second.release()).toBe(true);
  await end(client, 'COMMIT');
  expect(await first.release()).toBe(true);
});
