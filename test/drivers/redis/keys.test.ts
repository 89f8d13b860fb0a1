import { beforeEach, expect, test } from '@jest/globals';
import { LockUsageError } from '../../../src/core/errors.js';
import { until } from '../../support/wait.js';
import { busyLocks, expectFree, locks, reasonOf } from './support/rig.js';
import { redis, server, stageForAll } from './support/stage.js';

stageForAll();

beforeEach(() => redis.flushall());

const STRANGE = [
  ...['a', 'b', '{', '}', '{}', '}{', '{a}', 'a}', 'a}:fence', '{a', '%', '%7B', '%7Ba%7D', '%257Ba%257D'],
  ...['a:fence', 'a:queue', 'a:waiters', 'a:readers', ':', 'a:', ' ', ' a', 'a ', 'a b', 'w1 2 a'],
  ...[
    '\u00e9',
    'e\u0301',
    '鍵 🔑',
    '\u0000',
    '\t',
    'line\nbreak',
    '\r\n',
    '\u2028',
    `'"\\`,
    '*?[a]',
    'KEYS[1]',
  ],
  ...['k'.repeat(1_024), `${'k'.repeat(1_023)}l`, '__proto__', 'constructor'],
];

test('every key is a lock of its own, whatever is in it', async () => {
  const [holder, rival] = [locks(server.url).mustOf(), locks(server.url).mustOf()];
  const leases = await Promise.all(
    STRANGE.map((key, i) => holder.acquire(key, { wait: 0, meta: { i: `${i}` } })),
  );
  for (const [i, key] of STRANGE.entries()) {
    expect(leases[i]!.key).toBe(key);
    expect(await rival.tryAcquire(key)).toBeNull();
    expect((await rival.inspect(key))?.holders).toMatchObject([
      { fence: leases[i]!.fence, meta: { i: `${i}` } },
    ]);
    expect((await rival.inspect(key))?.key).toBe(key);
  }
  // One key each, for all that there is.
  expect(await redis.dbsize()).toBe(STRANGE.length);
  for (const lease of leases) expect(await lease.release()).toBe(true);
  expect(await redis.dbsize()).toBe(STRANGE.length);
});

test('every key is handed over, renewed and released, whatever is in it', async () => {
  const [holder, rival] = [locks(server.url).mustOf(), locks(server.url).mustOf()];
  const leases = await Promise.all(STRANGE.map((key) => holder.acquire(key, { wait: 0 })));
  const line = STRANGE.map((key) => rival.acquire(key, { wait: '20s' }));
  const queued = async (key: string) => (await rival.inspect(key))?.waiters === 1;
  for (const key of STRANGE) await until(() => queued(key));
  for (const lease of leases) expect(await lease.refresh('20s')).toBe(true);
  await server.resetStats();
  for (const lease of leases) expect(await lease.release()).toBe(true);
  for (const [i, granted] of line.entries()) {
    const lease = await granted;
    expect(lease.fence).toBeGreaterThan(leases[i]!.fence);
    expect(await lease.release()).toBe(true);
  }
  // By message, that is to say, and not because the waiter looked.
  expect((await server.commandStats()).publish).toBe(STRANGE.length);
  expect(await redis.dbsize()).toBe(STRANGE.length);
});

test('a and a:fence, a:queue and so on never touch each other', async () => {
  const locker = locks(server.url).mustOf();
  const rival = locks(server.url).mustOf();
  const lease = await locker.acquire('a');
  const names = ['a:fence', 'a:queue', 'a:waiters', 'a:readers', 'a}:fence', '{a}:fence'];
  for (const name of names) {
    const other = await rival.acquire(name, { wait: 0 });
    const waiting = locker.acquire(name, { wait: '5s' });
    await until(async () => (await rival.inspect(name))?.waiters === 1);
    expect((await locker.inspect('a'))?.waiters).toBe(0);
    expect(await other.release()).toBe(true);
    expect(await (await waiting).release()).toBe(true);
  }
  expect(await lease.refresh()).toBe(true);
  expect(await lease.release()).toBe(true);
  expect(await redis.keys('*')).toHaveLength(names.length + 1);
  expect(await busyLocks(redis)).toEqual([]);
});

test('two prefixes never collide, even where one with its key spells the other', async () => {
  const registry = locks(server.url);
  const prefixes = ['', 'a', 'a:', 'a:b', 'a:b:', 'lock:'];
  const keys = ['b', ':b', 'b:c', 'a', 'a:b'];
  for (const prefix of prefixes)
    registry.registerLocker(`locker ${prefix}`, { driver: 'redis', prefix, wait: 0 });
  const leases = [];
  for (const prefix of prefixes)
    for (const key of keys) leases.push(await registry.mustOf(`locker ${prefix}`).acquire(key));
  expect(await redis.dbsize()).toBe(leases.length);
  for (const lease of leases) expect(await lease.release()).toBe(true);
});

test('a key that is too long is refused, and nothing is locked', async () => {
  const locker = locks(server.url).mustOf();
  for (const key of ['k'.repeat(2_049), '鍵'.repeat(683), '']) {
    for (const attempt of [locker.acquire(key), locker.tryAcquire(key), locker.acquire(['a', key])])
      expect(await reasonOf(attempt)).toBeInstanceOf(LockUsageError);
    expect(await reasonOf(locker.with(key, () => {}))).toBeInstanceOf(LockUsageError);
  }
  expect(await redis.dbsize()).toBe(0);
  // All of it in braces becomes three times as long.
  for (const key of ['k'.repeat(2_048), '}'.repeat(2_048), '鍵'.repeat(682)])
    expect(await (await locker.acquire(key)).release()).toBe(true);
});

test('metadata comes back from inspect, whatever is in it, also of who was handed the lock', async () => {
  const [holder, rival] = [locks(server.url).mustOf(), locks(server.url).mustOf()];
  const meta = {
    lines: 'one\ntwo\r\n\nthree',
    '鍵 🔑': 'é “quoted” {braces} 100 %',
    empty: '',
    '': `'"\\ \u0000 \u2028`,
    long: 'x'.repeat(3_000),
  };
  const lease = await holder.acquire('a', { meta });
  expect((await rival.inspect('a'))?.holders).toMatchObject([{ fence: lease.fence, meta }]);
  const waiting = rival.acquire('a', { meta: { ...meta, who: 'the next' }, wait: '5s' });
  await until(async () => (await holder.inspect('a'))?.waiters === 1);
  await lease.release();
  const next = await waiting;
  expect((await holder.inspect('a'))?.holders).toMatchObject([
    { fence: next.fence, meta: { ...meta, who: 'the next' } },
  ]);
  const reader = rival.acquire('a', { mode: 'read', meta, wait: '5s' });
  await until(async () => (await rival.inspect('a'))?.waiters === 1);
  await next.release();
  const reading = await reader;
  expect(await holder.inspect('a')).toMatchObject({ mode: 'read', holders: [{ meta }] });
  await reading.release();
});

test('of three keys one vanishes under a renewed lease: the others are free at once', async () => {
  const locker = locks(server.url).mustOf();
  const lease = await locker.acquire(['a', 'b', 'c'], { ttl: 3_000, autoRenew: true });
  await redis.del('lock:{b}');
  await until(() => lease.signal.aborted, 5_000, 'the loss to be told');
  expect(lease.signal.reason).toMatchObject({ code: 'LOCK_LOST', reason: 'stolen' });
  for (const name of ['a', 'b', 'c']) await expectFree(redis, `lock:{${name}}`);
  expect(await lease.release()).toBe(false);
});

test('a list passes over what others store under names that begin as those of locks do', async () => {
  const [locker, bare] = [locks(server.url).mustOf(), locks(server.url, { prefix: '' }).mustOf()];
  await locker.acquire('a');
  await bare.acquire('line\nbreak');
  await redis.hset('lock:{a}:details', 'size', '1');
  await redis.hset('lock:{a', 'size', '1');
  await redis.hset('{user:1}:profile', 'name', 'Ada');
  await redis.hset('{user:1}', 'name', 'Ada');
  await redis.set('lock:{text}', '1');
  const keysOf = async (from: typeof locker) => {
    const keys: string[] = [];
    for await (const { key } of from.list()) keys.push(key);
    return keys;
  };
  expect(await keysOf(locker)).toEqual(['a']);
  expect(await keysOf(bare)).toEqual(['line\nbreak']);
});
