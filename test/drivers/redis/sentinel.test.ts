import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import type { RedisOptions } from '../../../src/drivers/redis/options.js';
import { type SentinelGroup, startSentinel } from '../../support/redis-sentinel.js';
import { sleep, stopwatch, until } from '../../support/wait.js';
import { ask, closeAll, freshKey, inLine, locks, open, queue, reasonOf, take } from './support/rig.js';

let group: SentinelGroup;
let url: string;
let options: RedisOptions;

beforeAll(async () => {
  group = await startSentinel({ password: 'p@ss', downAfter: 2_000 });
  const hosts = group.addresses.map(({ host, port }) => `${host}:${port}`).join(',');
  url = `redis+sentinel://:${encodeURIComponent('p@ss')}@${hosts}/${group.name}`;
  options = { sentinels: group.addresses, name: group.name, password: 'p@ss' };
}, 60_000);
afterEach(closeAll);
afterAll(() => group.stop());

test('a lock is taken, awaited and handed over through sentinels', async () => {
  const [one, two] = [await open(url), await open(options)];
  const key = freshKey();
  const held = await take(one, key);
  const { granted } = await queue(group.primary.client(), two, key);
  const watch = stopwatch();
  expect(await one.release(held)).toBe(true);
  expect(await two.release(await granted)).toBe(true);
  expect(watch.stop()).toBeLessThan(3_000);
});

test('a client of sentinels that is lent is followed, and left alone', async () => {
  const lent = new Redis({
    sentinels: group.addresses,
    name: group.name,
    password: 'p@ss',
    disconnectTimeout: 0,
  });
  const driver = await open(lent);
  const key = freshKey();
  expect(await driver.release(await take(driver, key))).toBe(true);
  await closeAll();
  expect(await lent.ping()).toBe('PONG');
  lent.disconnect();
});

test('a sentinel that is stopped is passed over', async () => {
  group.sentinels[0]!.pause();
  const driver = await open(url, true);
  await until(() => driver.ping().then(() => true), 15_000, 'the primary to be found');
  const key = freshKey();
  expect(await driver.release(await take(driver, key))).toBe(true);
  await closeAll();
  group.sentinels[0]!.resume();
});

test('a primary of another name, or a wrong password, is a backend error that says so', async () => {
  const cases: [RedisOptions, string][] = [
    [{ ...options, name: 'another' }, 'sentinels'],
    [{ ...options, password: 'secret' }, 'WRONGPASS'],
  ];
  const checks = cases.map(async ([target, words]) => {
    const driver = await open(target, true);
    const said = async () => {
      const error = await reasonOf(driver.ping());
      expect(error.code).toBe('LOCK_BACKEND');
      expect(error.message).not.toContain('secret');
      return error.message.includes(words);
    };
    // On a busy machine the last that went wrong may be a sentinel that was too slow.
    await until(said, 20_000, `an error that says ${words}`);
  });
  await Promise.all(checks);
}, 30_000);

test('a holder renews, a waiter waits and gets the lock, with a larger fence, through a fail-over', async () => {
  const [holder, waiter] = [locks(url).mustOf(), locks(options).mustOf()];
  const old = group.primary;
  let waiting: ReturnType<typeof waiter.acquire> | undefined;
  let fence = 0;
  await holder.with(
    'a',
    async (lease) => {
      fence = lease.fence;
      waiting = waiter.acquire('a', { wait: '40s' });
      await inLine(old.client(), 'lock:{a}', 1);
      await group.inSync();
      await group.failover();
      // The old primary is a replica now, whoever was connected to it.
      await sleep(3_000);
      lease.ensureHeld();
      expect(await lease.refresh()).toBe(true);
      expect(group.primary).not.toBe(old);
      expect(await group.primary.client().exists('lock:{a}')).toBe(1);
    },
    { ttl: 12_000 },
  );
  const next = await waiting!;
  expect(next.fence).toBeGreaterThan(fence);
  expect(await next.release()).toBe(true);
}, 60_000);

test('a clean fail-over: all go to the new primary within seconds, and nobody is given what is held', async () => {
  const [holder, rival] = [locks(url).mustOf(), locks(url).mustOf()];
  const lease = await holder.acquire('clean', { ttl: '7s', autoRenew: true });
  await (await rival.acquire('warm')).release();
  await group.inSync();
  const old = group.primary;
  await group.failover();
  const moved = stopwatch();
  const there = await open(url, true);
  const given = async () => {
    const grant = await ask(there, 'lock:{clean}').catch(() => null);
    return grant !== null && lease.held;
  };
  const ours = async () => {
    const list = String(await old.ask((client) => client.client('LIST')));
    return list.split('\n').filter((line) => line.includes(' name=latchkey '));
  };
  await until(async () => {
    expect(await given()).toBe(false);
    return (await ours()).length === 0;
  }, 20_000);
  expect(moved.stop()).toBeLessThan(5_000);
  await sleep(7_500);
  expect(await given()).toBe(false);
  expect(lease.held).toBe(true);
  expect(await lease.release()).toBe(true);
}, 60_000);

test('sentinels that are all stopped harm nobody who is connected; newcomers are told in time', async () => {
  const holder = await open(url);
  for (const sentinel of group.sentinels) sentinel.pause();
  const key = freshKey();
  const held = await take(holder, key);
  const watch = stopwatch();
  const newcomer = await open(url, true);
  expect((await reasonOf(ask(newcomer, key, { wait: 1_500 }))).code).toBe('LOCK_BACKEND');
  expect(watch.stop()).toBeLessThan(3_000);
  expect(await holder.extend(held, 10_000)).not.toBeNull();
  expect(await holder.release(held)).toBe(true);
  for (const sentinel of group.sentinels) sentinel.resume();
  await until(() => ask(newcomer, key).then((grant) => grant !== null), 20_000, 'the newcomer to be served');
}, 60_000);

test('a primary that was replaced while it stood still serves nobody when it comes back', async () => {
  const [holder, rival] = [locks(url).mustOf(), locks(url).mustOf()];
  await (await holder.acquire('stood')).release();
  await group.inSync();
  const old = group.primary;
  old.pause();
  await group.moved(old);
  const lease = await holder.acquire('stood', { wait: '30s', ttl: '60s' });
  old.resume();
  for (const end = performance.now() + 6_000; performance.now() < end; await sleep(20)) {
    for (const locker of [rival, locks(url).mustOf()])
      expect(await locker.tryAcquire('stood').catch(() => null)).toBeNull();
  }
  expect(lease.held).toBe(true);
  expect(await lease.release()).toBe(true);
}, 90_000);

test('a primary that is killed with writes its replica never saw: fences grow, and the lost holder is told', async () => {
  const [holder, rival] = [locks(url).mustOf(), locks(url).mustOf()];
  await group.inSync();
  await group.blockReplication();
  const lease = await holder.acquire('lost', { ttl: '8s', autoRenew: true });
  const lost = new Promise<void>((resolve) => lease.signal.addEventListener('abort', () => resolve()));
  const old = group.primary;
  await old.kill();
  await group.moved(old);
  const next = await rival.acquire('lost', { wait: '20s' });
  expect(next.fence).toBeGreaterThan(lease.fence);
  await lost;
  expect(lease.held).toBe(false);
  expect(await next.release()).toBe(true);
}, 90_000);
