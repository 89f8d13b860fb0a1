import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, jest, test } from '@jest/globals';
import { Cluster, type Redis } from 'ioredis';
import type { LockDriver } from '../../../src/lease/driver.js';
import { type RedisCluster, startCluster } from '../../support/redis-cluster.js';
import { blockEventLoop, sleep, stopwatch, until } from '../../support/wait.js';
import { ask, closeAll, freshKey, holdLeft, inLine, locks, open, reasonOf, take } from './support/rig.js';

let cluster: RedisCluster;
let redis: Redis;
let url: string;

beforeAll(async () => {
  cluster = await startCluster();
  redis = cluster.client() as never as Redis;
  url = `redis+cluster://${cluster.addresses.map(({ host, port }) => `${host}:${port}`).join(',')}`;
}, 60_000);
afterEach(closeAll);
afterAll(() => cluster.stop());

const slotOf = (key: string) => cluster.slotOf(key);

test('waiters that are connected through different nodes are each woken promptly', async () => {
  // One node each to begin with, so that their inboxes are not all at one.
  const drivers = await Promise.all(
    [0, 1, 2, 0, 1, 2].map((n) => open(`redis+cluster://127.0.0.1:${cluster.addresses[n]!.port}`)),
  );
  for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) {
    const key = freshKey(name);
    let owner = drivers[0] as LockDriver;
    let grant = await take(owner, key, { ttl: 30_000 });
    const line: { driver: LockDriver; granted: Promise<typeof grant> }[] = [];
    for (const [n, driver] of drivers.slice(1).entries()) {
      line.push({ driver, granted: take(driver, key, { wait: 20_000, ttl: 30_000 }) });
      await inLine(redis, key, n + 1);
    }
    for (const { driver, granted } of line) {
      const watch = stopwatch();
      expect(await owner.release(grant)).toBe(true);
      const next = await granted;
      expect(watch.stop()).toBeLessThan(3_000);
      expect(next.fence).toBeGreaterThan(grant.fence);
      [owner, grant] = [driver, next];
    }
    expect(await owner.release(grant)).toBe(true);
  }
});

test('several keys over several slots are one lease, renewed and released together', async () => {
  const [one, two] = [locks(url).mustOf(), locks(url).mustOf()];
  const keys = ['1', '2', '3', '4', '5', '6'];
  const slots = await Promise.all(keys.map((key) => cluster.slotOf(`lock:{${key}}`)));
  expect(new Set(slots).size).toBe(6);
  await one.with(
    keys,
    async (lease) => {
      expect(await two.tryAcquire(['0', '4'])).toBeNull();
      await sleep(4_000);
      lease.ensureHeld();
    },
    { ttl: 3_600 },
  );
  const lease = await two.acquire(keys, { wait: 0 });
  expect(await lease.release()).toBe(true);
});

test('a client of a cluster that is lent is followed, left alone, and lends no key prefix', async () => {
  const lent = new Cluster(cluster.addresses, {
    keyPrefix: 'app:',
    scaleReads: 'slave',
    redisOptions: { disconnectTimeout: 0, stringNumbers: true },
  });
  const locker = locks(lent).mustOf();
  const lease = await locker.acquire('lent');
  expect(await redis.exists('lock:{lent}')).toBe(1);
  const waiting = locks(lent).mustOf().acquire('lent', { wait: '20s' });
  await inLine(redis, 'lock:{lent}', 1);
  const watch = stopwatch();
  expect(await lease.release()).toBe(true);
  expect(await (await waiting).release()).toBe(true);
  expect(watch.stop()).toBeLessThan(3_000);
  await closeAll();
  expect(await lent.ping()).toBe('PONG');
  lent.disconnect();
});

test('a lease that was handed over counts from its confirmation, and not from the message', async () => {
  const [holder, waiter] = [await open(url), await open(url)];
  const key = freshKey();
  const held = await take(holder, key, { ttl: 60_000 });
  const granted = take(waiter, key, { wait: 20_000, ttl: 20_000 });
  await inLine(redis, key, 1);
  const released = holder.release(held);
  // Redis grants it now, and we read of it a second later.
  blockEventLoop(1_000);
  const grant = await granted;
  const left = await holdLeft(redis, key);
  expect(grant.validUntil).toBeLessThanOrEqual(performance.now() + left);
  expect(grant.validUntil).toBeGreaterThan(performance.now() + 5_000);
  expect(await released).toBe(true);
  expect(await waiter.release(grant)).toBe(true);
});

test('an extension of many holds over many slots answers for each', async () => {
  const driver = await open(url);
  const grants = await Promise.all(
    Array.from({ length: 30 }, (_, i) => take(driver, freshKey(`${i}`), { ttl: 20_000 })),
  );
  await redis.del(grants[7]!.key);
  // One answer to all would wait for the slowest node.
  expect(driver.extendMany).toBe(undefined);
  const extended = await Promise.all(grants.map((grant) => driver.extend(grant, 60_000)));
  expect(extended.map((answer) => answer !== null)).toEqual(grants.map((_, i) => i !== 7));
  for (const { key } of grants.filter((_, i) => i !== 7))
    expect(await holdLeft(redis, key)).toBeGreaterThan(30_000);
  const released = await Promise.all(grants.map((grant) => driver.release(grant)));
  expect(released).toEqual(grants.map((_, i) => i !== 7));
});

test('an inspection tells who holds and who waits, through whichever node it comes', async () => {
  const [holder, waiter] = [await open(url), await open(url)];
  const key = freshKey();
  const held = await take(holder, key, { ttl: 30_000, meta: { who: 'me' } });
  const granted = take(waiter, key, { wait: 20_000 });
  await inLine(redis, key, 1);
  for (const { port } of cluster.addresses) {
    const info = await (await open(`redis+cluster://127.0.0.1:${port}`)).inspect(key);
    expect(info).toMatchObject({
      key,
      mode: 'write',
      waiters: 1,
      holders: [{ fence: held.fence, meta: { who: 'me' } }],
    });
  }
  await holder.release(held);
  await waiter.release(await granted);
  expect(await holder.inspect(key)).toBeNull();
});

test('a slot that moves while some wait loses nobody, nor the holder', async () => {
  const [holder, one, two] = [await open(url), await open(url), await open(url)];
  const key = freshKey();
  const slot = await slotOf(key);
  const from = await cluster.ownerOf(slot);
  const to = cluster.nodes.find((node) => node !== from)!;
  const held = await take(holder, key, { ttl: 60_000 });
  const first = take(one, key, { wait: 30_000 });
  await inLine(redis, key, 1);
  let second: ReturnType<typeof take> | undefined;
  await cluster.migrateSlot(slot, to, async () => {
    second = take(two, key, { wait: 30_000 });
    // In between Redis runs no script on a lock some of whose keys do not exist: a fault, and never a loss.
    const extended = await holder.extend(held, 60_000).catch((error) => error.code);
    expect(extended).not.toBeNull();
    if (typeof extended === 'string') expect(extended).toBe('LOCK_BACKEND');
  });
  expect(await holder.extend(held, 60_000)).not.toBeNull();
  await inLine(redis, key, 2);
  expect(await holder.release(held)).toBe(true);
  const grant = await first;
  expect(await one.release(grant)).toBe(true);
  const last = await second!;
  expect(last.fence).toBeGreaterThan(grant.fence);
  expect(await two.release(last)).toBe(true);
}, 60_000);

test('a node that is restarted empty: the holder is told, and the lock can be had again', async () => {
  const [holder, rival] = [locks(url).mustOf(), locks(url).mustOf()];
  const lease = await holder.acquire('node', { ttl: '4s', autoRenew: true });
  const lost = new Promise<void>((resolve) => lease.signal.addEventListener('abort', () => resolve()));
  const node = await cluster.ownerOf(await cluster.slotOf('lock:{node}'));
  await node.restart();
  await lost;
  const next = await rival.acquire('node', { wait: '20s' });
  expect(next.fence).toBeGreaterThan(lease.fence);
  expect(await next.release()).toBe(true);
}, 60_000);

test('a node that is killed: its locks are a backend error in time, and the others go on', async () => {
  for (const node of cluster.nodes)
    await node.ask((client) => client.config('SET', 'cluster-require-full-coverage', 'no'));
  const [holder, rival] = [await open(url), await open(url)];
  const [dead, ...alive] = cluster.nodes;
  const keyOn = async (node: typeof dead): Promise<string> => {
    const key = freshKey(randomUUID());
    return (await cluster.ownerOf(await slotOf(key))) === node ? key : keyOn(node);
  };
  const [lost, ...kept] = await Promise.all([dead, ...alive].map(keyOn));
  const held = await take(holder, lost!, { ttl: 60_000 });
  await dead!.kill();
  const watch = stopwatch();
  const fault = async (asked: Promise<unknown>) => expect((await reasonOf(asked)).code).toBe('LOCK_BACKEND');
  const faults = Promise.all([
    fault(take(rival, lost!, { wait: 3_000 })),
    fault(take(rival, lost!)),
    fault(holder.extend(held, 60_000)),
    fault(holder.inspect(lost!)),
  ]);
  for (const key of kept) {
    const grant = await take(holder, key, { wait: 10_000 });
    const granted = take(rival, key, { wait: 15_000 });
    await inLine(redis, key, 1);
    expect(await holder.extend(grant, 20_000)).not.toBeNull();
    expect(await holder.release(grant)).toBe(true);
    expect(await rival.release(await granted)).toBe(true);
  }
  await faults;
  expect(watch.stop()).toBeLessThan(12_000);
  await dead!.start();
  await until(() => ask(rival, lost!).then((grant) => grant !== null), 20_000, 'the lock, after the restart');
}, 60_000);

test('a node that may evict locks is a process warning that names it', async () => {
  const node = cluster.nodes[1]!;
  await node.ask((client) => client.config('SET', 'maxmemory-policy', 'allkeys-lru'));
  const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
  try {
    await open(url);
    const about = `Redis at 127.0.0.1:${node.port} may evict locks: maxmemory-policy is allkeys-lru`;
    expect(warned.mock.calls.filter(([text]) => `${text}`.startsWith(about))).toEqual([
      [expect.any(String), { code: 'LATCHKEY_EVICTION' }],
    ]);
  } finally {
    warned.mockRestore();
    await node.ask((client) => client.config('SET', 'maxmemory-policy', 'noeviction'));
  }
});

test('a cluster that nobody can reach is a backend error in time', async () => {
  const driver = await open('redis+cluster://127.0.0.1:1', true);
  const watch = stopwatch();
  const error = await reasonOf(take(driver, freshKey(), { wait: 500 }));
  expect(error.code).toBe('LOCK_BACKEND');
  expect(watch.stop()).toBeLessThan(1_500);
});
