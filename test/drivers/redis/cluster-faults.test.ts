import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import type { Redis } from 'ioredis';
import { LockBackendError } from '../../../src/core/errors.js';
import type { LockDriver } from '../../../src/lease/driver.js';
import { runSource } from '../../support/process.js';
import { type RedisCluster, startCluster } from '../../support/redis-cluster.js';
import type { RedisServer } from '../../support/redis-server.js';
import { sleep, stopwatch, until } from '../../support/wait.js';
import { ask, busyLocks, closeAll, freshKey, inLine, open, reasonOf, take } from './support/rig.js';
import { StoredLock } from './support/stored.js';

let cluster: RedisCluster;
let url: string;

beforeAll(async () => {
  cluster = await startCluster();
  url = `redis+cluster://${cluster.addresses.map(({ host, port }) => `${host}:${port}`).join(',')}`;
  for (const node of cluster.nodes)
    await node.ask((client) => client.config('SET', 'cluster-require-full-coverage', 'no'));
}, 60_000);
afterEach(async () => {
  for (const node of cluster.nodes) node.resume();
  await closeAll();
});
afterAll(() => cluster.stop());

async function keyOn(node: RedisServer): Promise<string> {
  const key = freshKey(randomUUID());
  return (await cluster.ownerOf(await cluster.slotOf(key))) === node ? key : keyOn(node);
}

test('a node that hangs shuts nobody out of the others, neither newcomers nor who was there', async () => {
  const [hung, ...others] = cluster.nodes;
  const keys = await Promise.all(others.map(keyOn));
  const before = await Promise.all([open(url), open(url), open(url)]);
  hung!.pause();
  const newcomers = await Promise.all([0, 1, 2, 3, 4, 5].map(() => open(url, true)));
  const serves = async (driver: LockDriver) => {
    for (const key of keys) {
      await until(async () => {
        const grant = await ask(driver, key, { wait: 3_000 }).catch(() => null);
        return grant && (await driver.release(grant));
      }, 10_000);
    }
  };
  const watch = stopwatch();
  await Promise.all([...before, ...newcomers].map(serves));
  expect(watch.stop()).toBeLessThan(9_000);
}, 60_000);

test('a wait for a node that hangs is an outage after seconds, though the other nodes answer all the time', async () => {
  const [hung, other] = cluster.nodes;
  const [silent, served] = [await keyOn(hung!), await keyOn(other!)];
  const driver = await open(url);
  await driver.release(await take(driver, silent));
  hung!.pause();
  let over = false;
  const busy = (async () => {
    while (!over) {
      const grant = await ask(driver, served, { wait: 3_000 }).catch(() => null);
      if (grant) await driver.release(grant).catch(() => {});
      await sleep(20);
    }
  })();
  const watch = stopwatch();
  const fault = await ask(driver, silent, { wait: 40_000 }).catch((reason) => reason);
  over = true;
  expect(fault).toBeInstanceOf(LockBackendError);
  const took = watch.stop();
  expect(took).toBeGreaterThan(1_000);
  expect(took).toBeLessThan(20_000);
  await busy;
}, 60_000);

test('a wait in the queue of a node that hangs ends as an outage, though the other nodes answer all the time', async () => {
  const [hung, other] = cluster.nodes;
  const [silent, served] = [await keyOn(hung!), await keyOn(other!)];
  const [holder, driver] = [await open(url), await open(url)];
  await take(holder, silent, { ttl: 60_000 });
  const waits = [4_000, 5_000, 6_000].map((wait) => reasonOf(ask(driver, silent, { wait })));
  await hung!.ask((client) => inLine(client, silent, 3));
  hung!.pause();
  let over = false;
  const busy = (async () => {
    while (!over) await driver.release(await take(driver, served, { wait: 5_000 }));
  })();
  const faults = await Promise.all(waits);
  over = true;
  expect(faults.map(({ code }) => code)).toEqual(['LOCK_BACKEND', 'LOCK_BACKEND', 'LOCK_BACKEND']);
  await busy;
}, 60_000);

test('whoever gives up while a slot is on the move, and its claims are sent from node to node, leaves nothing behind', async () => {
  const drivers = await Promise.all([open(url), open(url), open(url), open(url)]);
  for (let round = 0; round < 6; round++) {
    const [from, to] = [cluster.nodes[round % 3]!, cluster.nodes[(round + 1) % 3]!];
    const key = await keyOn(from);
    const tries = () =>
      drivers.map(async (driver, i) => {
        const request = { wait: [0, 40, 150, 400][i]!, ttl: 60_000 };
        const signal = i === 3 ? AbortSignal.timeout(100 + 40 * round) : undefined;
        const grant = await ask(driver, key, { ...request, signal }).catch(() => null);
        if (grant) await driver.release(grant);
        return grant !== null;
      });
    const had = tries();
    await cluster.migrateSlot(await cluster.slotOf(key), to, async () => {
      had.push(...tries());
      await sleep(60 * round);
    });
    had.push(...tries());
    expect((await Promise.all(had)).filter(Boolean).length).toBeGreaterThan(0);
    const left = () => to.ask((client) => busyLocks(client, key));
    await until(async () => (await left()).length === 0, 15_000, 'nothing to be left');
    expect((await take(drivers[0]!, key, { wait: 10_000 })).fence).toBeGreaterThan(0);
  }
}, 60_000);

test('a claim that a node gets after its waiter has left is refused', async () => {
  const driver = await open(url);
  const key = freshKey();
  const held = await take(driver, key);
  expect(await ask(driver, key, { token: 'late', wait: 400, ttl: 60_000 })).toBeNull();
  expect(await driver.release(held)).toBe(true);
  const lock = new StoredLock(cluster.client() as never as Redis, key);
  for (const mode of ['w', 'r'] as const) {
    expect(await lock.claim('late', { mode })).toEqual([0, 0, 0, 0]);
    expect(await lock.place('late', { mode })).toEqual([0, 0, 0, 0]);
  }
  expect(await lock.claim('other', { mode: 'r' })).toEqual([1, expect.any(Number), expect.any(Number), '']);
});

test('a process whose driver is closed while the slots are refreshed ends by itself', async () => {
  const source = `
    import { setTimeout as sleep } from 'node:timers/promises';
    import { LockRegistry, redisDriver } from 'latchkey';
    const redis = { url: process.env.URL, slotsRefreshInterval: 10 };
    const registry = new LockRegistry().registerDriver('redis', () => redisDriver(redis));
    const locker = registry.registerLocker('jobs', { driver: 'redis' }).mustOf('jobs');
    await (await locker.acquire('k')).release();
    send({ ready: true });
    await sleep(500);
    await registry.close();
    send({ closed: true });
  `;
  const child = runSource(source, { URL: url });
  try {
    await child.waitFor(({ ready }) => ready === true);
    // The refresh that is on its way then is answered only after the end.
    for (const node of cluster.nodes) node.pause();
    await child.waitFor(({ closed }) => closed === true);
    for (const node of cluster.nodes) node.resume();
    expect(await Promise.race([child.exited, sleep(20_000)])).toEqual({ code: 0, signal: null });
  } finally {
    child.kill('SIGKILL');
  }
}, 60_000);
