import { describe, expect, test } from '@jest/globals';
import { LockBackendError, LockNotObtainedError, LockTimeoutError } from '../../../src/core/errors.js';
import { lockName } from '../../../src/core/key.js';
import { freePort } from '../../support/port.js';
import { startRedis } from '../../support/redis-server.js';
import { blockEventLoop, sleep, stopwatch, until } from '../../support/wait.js';
import {
  ask,
  closeAll,
  expectFree,
  freshKey,
  holderOf,
  locks,
  open,
  openMany,
  queue,
  reasonOf,
  take,
  timed,
  traces,
} from './support/rig.js';
import { proxy, server, stageForEach } from './support/stage.js';

stageForEach({ proxied: true });

describe('Redis that is stopped', () => {
  test('a wait of 500 ms ends as a fault of Redis, on time, and a late grant goes back', async () => {
    const driver = await open(server.url);
    const key = freshKey();
    server.pause();
    const { ms, ran, error } = await timed(ask(driver, key, { wait: 500 }));
    expect(ms).toBeGreaterThan(450);
    expect(ran).toBeLessThan(1_200);
    expect(error).toBeInstanceOf(LockBackendError);
    // Its connection is given up meanwhile: what was sent comes late, and what is given back by another one.
    await sleep(2_500);
    server.resume();
    await expectFree(server.client(), key);
  });

  test('a wait of 500 ms whose server answers 300 ms later gives the lock back', async () => {
    const driver = await open(server.url);
    const key = freshKey();
    server.pause();
    const asked = reasonOf(ask(driver, key, { wait: 500, ttl: 60_000 }));
    expect(await asked).toBeInstanceOf(LockBackendError);
    await sleep(200);
    server.resume();
    await expectFree(server.client(), key);
  });

  test('a single try ends within a second or so', async () => {
    const driver = await open(server.url);
    server.pause();
    const { ran, error } = await timed(ask(driver, freshKey()));
    expect(ran).toBeLessThan(2_000);
    expect(error).toBeInstanceOf(LockBackendError);
  });

  test('newcomers with a long wait are told so after 2 s, and in less than 5 s', async () => {
    const driver = await open(server.url);
    // Its answer comes at the beginning of the second in which the first newcomer asks.
    await driver.ping();
    server.pause();
    const ends = [0, 700, 1_500].map(async (ms) => {
      await sleep(ms);
      return timed(ask(driver, freshKey(), { wait: 30_000 }));
    });
    for (const { ms, ran, error } of await Promise.all(ends)) {
      expect(error).toBeInstanceOf(LockBackendError);
      expect(ms).toBeGreaterThan(1_990);
      expect(ran).toBeLessThan(5_000);
    }
  });

  test('a renewing holder of a short lease is told of the loss when its time is up', async () => {
    const locker = locks(server.url).mustOf();
    const error = await reasonOf(
      locker.with(
        'a',
        async (lease) => {
          server.pause();
          const paused = stopwatch();
          await new Promise((resolve) => lease.signal.addEventListener('abort', resolve));
          expect(paused.stop()).toBeLessThan(3_600);
          expect(lease.held).toBe(false);
        },
        { ttl: 2_400 },
      ),
    );
    expect(error.code).toBe('LOCK_LOST');
    expect(error.reason).toBe('backend');
  });

  test('waiters of one process are each told so, on time, and not that it was contention', async () => {
    const driver = await open(server.url);
    const key = freshKey();
    server.pause();
    const waits = [300, 400, 500, 600, 1_000, 5_000, 5_000];
    const ends = await Promise.all(waits.map((wait) => timed(ask(driver, key, { wait }))));
    ends.forEach(({ ran, error }, n) => {
      expect(error).toBeInstanceOf(LockBackendError);
      expect(ran).toBeLessThan(Math.min(waits[n]!, 4_500) + 800);
    });
    server.resume();
    await expectFree(server.client(), key);
  });

  test('a single try, or a short wait, beside other waiters is told of the fault, not of a holder', async () => {
    const driver = await open(server.url);
    const key = freshKey();
    server.pause();
    const waits = [400, 400, 0, 1, 5, 50];
    const ends = waits.map((wait) => timed(ask(driver, key, { wait })));
    await sleep(30);
    const later = [0, 1].map((wait) => timed(ask(driver, key, { wait })));
    for (const { error, ran } of await Promise.all([...ends, ...later])) {
      expect(error).toBeInstanceOf(LockBackendError);
      expect(ran).toBeLessThan(2_000);
    }
    server.resume();
    await expectFree(server.client(), key);
  });

  test('those behind readers, behind one who was refused before, and behind one who gives up with them, too', async () => {
    const [holder, driver] = [await open(server.url), await open(server.url)];
    const [asked, awaited] = [freshKey(), freshKey()];
    await take(holder, awaited, { ttl: 20_000 });
    await queue(server.client(), driver, awaited);
    server.pause();
    const ends = [
      ...[1_500, 50].map((wait) => timed(ask(driver, asked, { mode: 'read', wait }))),
      ...[50, 150, 400, 800].map((wait) => timed(ask(driver, asked, { wait }))),
      ...[1, 50, 500].map((wait) => timed(ask(driver, awaited, { wait }))),
    ];
    for (const { error } of await Promise.all(ends)) expect(error).toBeInstanceOf(LockBackendError);
    server.resume();
    await expectFree(server.client(), asked);
  });

  test('who gives up while it is told of the fault ends with its own reason', async () => {
    const driver = await open(server.url);
    const key = freshKey();
    server.pause();
    const first = ask(driver, key, { wait: 500 });
    const stop = new AbortController();
    const second = ask(driver, key, { wait: 50, signal: stop.signal });
    const reason = new Error('enough');
    setTimeout(() => stop.abort(reason), 80);
    expect(await reasonOf(second)).toBe(reason);
    expect(await reasonOf(first)).toBeInstanceOf(LockBackendError);
    server.resume();
    await expectFree(server.client(), key);
  });
});

describe('a process that is busy while its answers arrive', () => {
  test.each([
    [0, {}],
    [8, {}],
    [0, { retry: [0, 1] }],
    [8, { retry: [0, 1] }],
  ])('takes a holder for a holder, not for an outage: busy after %i ms, %j', async (after, options) => {
    const holder = await open(server.url);
    const registry = locks(proxy.url, { prefix: '' });
    await registry.connect();
    const locker = registry.mustOf();
    await take(holder, lockName('', 'a'), { ttl: 20_000 });
    for (let round = 0; round < 3; round++) {
      proxy.delay(10);
      const asked = [1, 5, 5].map((wait) => reasonOf(locker.acquire('a', { ...options, wait })));
      await sleep(after);
      blockEventLoop(250);
      for (const error of await Promise.all(asked)) expect(error).toBeInstanceOf(LockNotObtainedError);
    }
  });
});

describe('Redis that is away', () => {
  const refused = async () => `redis://127.0.0.1:${await freePort()}`;

  test.each([['5s'], [undefined]] as const)(
    'a refused connection is a backend error with its cause, long before a wait of %s is over',
    async (wait) => {
      const locker = locks(await refused()).mustOf();
      const { ran, error } = await timed(locker.acquire('a', wait ? { wait } : {}));
      expect(error).toBeInstanceOf(LockBackendError);
      expect(error).not.toBeInstanceOf(LockTimeoutError);
      expect((error!.cause as NodeJS.ErrnoException).code).toBe('ECONNREFUSED');
      expect(ran).toBeLessThan(4_000);
    },
  );

  test('a wait of 500 ms ends on time, and so does a single try, a ping and an inspection', async () => {
    const driver = await open(await refused(), true);
    const { ran, error } = await timed(ask(driver, freshKey(), { wait: 500 }));
    expect(error).toBeInstanceOf(LockBackendError);
    expect(ran).toBeLessThan(1_200);
    for (const end of await Promise.all([
      timed(ask(driver, freshKey())),
      timed(driver.ping()),
      timed(driver.inspect(freshKey())),
    ])) {
      expect(end.error).toBeInstanceOf(LockBackendError);
      expect(end.ran).toBeLessThan(3_500);
    }
  });

  test('ten who stand in line for one key are all told within seconds, not one after the other', async () => {
    const driver = await open(await refused(), true);
    const key = freshKey();
    const ends = await Promise.all(
      Array.from({ length: 10 }, () => timed(ask(driver, key, { wait: 30_000 }))),
    );
    for (const { ran, error } of ends) {
      expect(error).toBeInstanceOf(LockBackendError);
      expect(ran).toBeLessThan(4_500);
    }
  });

  test('an outage is over when the server is back, for those who wait and for newcomers', async () => {
    const driver = await open(proxy.url);
    const key = freshKey();
    proxy.refuse();
    proxy.reset();
    const asked = take(driver, key, { wait: 10_000 });
    await sleep(300);
    await proxy.accept();
    expect(await driver.release(await asked)).toBe(true);
    expect(await driver.release(await take(driver, key))).toBe(true);
    await expectFree(server.client(), key);
  });

  test('a black hole is a backend error in time, and nothing is locked when it opens', async () => {
    const driver = await open(proxy.url);
    const key = freshKey();
    proxy.blackhole();
    const { ran, error } = await timed(ask(driver, key, { wait: 700 }));
    expect(error).toBeInstanceOf(LockBackendError);
    expect(ran).toBeLessThan(1_500);
    proxy.passThrough();
    await expectFree(server.client(), key);
  });

  test('a connection into a black hole is a backend error in time', async () => {
    proxy.blackhole();
    const driver = await open(proxy.url, true);
    const { ran, error } = await timed(ask(driver, freshKey(), { wait: 30_000 }));
    expect(error).toBeInstanceOf(LockBackendError);
    expect(ran).toBeLessThan(3_500);
  });
});

describe('a connection that breaks', () => {
  test.each(['reset', 'halfClose'] as const)(
    '%s while waiting: the waiter gets the lock all the same',
    async (fault) => {
      const [holder, waiter] = [await open(server.url), await open(proxy.url)];
      const key = freshKey();
      const held = await take(holder, key);
      const { granted } = await queue(server.client(), waiter, key, { wait: 20_000 });
      proxy[fault]();
      await sleep(50);
      await holder.release(held);
      const { ran, value } = await timed(granted);
      expect(ran).toBeLessThan(4_000);
      expect(await waiter.release(value!)).toBe(true);
      await expectFree(server.client(), key);
    },
  );

  test.each(['reset', 'halfClose'] as const)(
    '%s with commands on their way: they are asked again',
    async (fault) => {
      const driver = await open(proxy.url);
      const key = freshKey();
      proxy.delay(60);
      const asked = take(driver, key, { wait: 10_000 });
      await sleep(30);
      proxy[fault]();
      proxy.delay(0);
      const grant = await asked;
      proxy.delay(60);
      const released = driver.release(grant);
      await sleep(30);
      proxy[fault]();
      proxy.delay(0);
      expect(await released).toBe(true);
      await expectFree(server.client(), key);
    },
  );

  test('our connections are killed by an operator while some wait and some hold: nobody is forgotten', async () => {
    const drivers = await openMany(6, server.url);
    const key = freshKey();
    const redis = server.client();
    let grant = await take(drivers[0]!, key);
    const line = [];
    for (const driver of drivers.slice(1)) line.push((await queue(redis, driver, key)).granted);
    await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub', 'SKIPME', 'yes');
    const served: number[] = [];
    for (let left = line.length; left > 0; left--) {
      const owner = drivers.findIndex((_, n) => n === (served.at(-1) ?? 0));
      expect(await drivers[owner]!.release(grant)).toBe(true);
      const next = await Promise.any(
        line.map((granted, n) =>
          granted.then((g) => (served.includes(n + 1) ? Promise.reject(new Error()) : ([n + 1, g] as const))),
        ),
      );
      served.push(next[0]);
      grant = next[1];
    }
    expect([...served].sort()).toEqual([1, 2, 3, 4, 5]);
    await drivers[served.at(-1)!]!.release(grant);
    await expectFree(redis, key);
  });

  test('a release whose answer is lost is true, and the lock is free', async () => {
    const driver = await open(proxy.url);
    const key = freshKey();
    const grant = await take(driver, key);
    proxy.dropReplies(1);
    const released = driver.release(grant);
    await until(async () => (await traces(server.client(), key)) === 0, 5_000, 'the release to be done');
    proxy.passThrough();
    expect(await released).toBe(true);
    await expectFree(server.client(), key);
  });

  test('an acquire whose answer is lost is asked again and is the same hold', async () => {
    const driver = await open(proxy.url);
    const key = freshKey();
    // The script is known to Redis from here on.
    await driver.release(await take(driver, freshKey()));
    proxy.dropReplies(1);
    const asked = take(driver, key, { wait: 10_000, ttl: 20_000 });
    const record = (await until(() => server.client().hget(key, 'h')))!;
    proxy.passThrough();
    const grant = await asked;
    expect(record.split(' ')[1]).toBe(`${grant.fence}`);
    expect(await driver.release(grant)).toBe(true);
    await expectFree(server.client(), key);
  });

  test('an acquire whose answer is lost is as long as was asked for, though the server’s clock steps back meanwhile', async () => {
    const driver = await open(proxy.url);
    const key = freshKey();
    await driver.release(await take(driver, freshKey()));
    proxy.dropReplies(1);
    const asked = take(driver, key, { wait: 10_000, ttl: 20_000 });
    const record = (await until(() => server.client().hget(key, 'h')))!;
    const ends = Number(record.split(' ')[0]) + 3_600_000;
    await server.client().hset(key, 'h', record.replace(/^\d+/, `${ends}`));
    proxy.passThrough();
    const { validUntil } = await asked;
    expect(validUntil - performance.now()).toBeLessThanOrEqual(20_000);
    expect(validUntil - performance.now()).toBeGreaterThan(10_000);
  });
});

describe('Redis that loses its data', () => {
  test('killed and restarted empty: the holder is told, the waiter gets the lock with a larger fence', async () => {
    const [holder, waiter] = [locks(server.url).mustOf(), locks(server.url).mustOf()];
    let fence = 0;
    let lostAt = 0;
    const held = holder.with(
      'a',
      async (lease) => {
        fence = lease.fence;
        const waiting = waiter.acquire('a', { wait: '20s' });
        await sleep(100);
        const aborted = new Promise((resolve) => lease.signal.addEventListener('abort', resolve));
        await server.restart();
        const next = await waiting;
        expect(next.fence).toBeGreaterThan(fence);
        await aborted;
        lostAt = performance.now();
        expect(await next.release()).toBe(true);
      },
      { ttl: 2_000 },
    );
    const error = await reasonOf(held);
    expect(error.code).toBe('LOCK_LOST');
    expect(lostAt).toBeGreaterThan(0);
  });

  test('SCRIPT FLUSH goes unnoticed', async () => {
    const [a, b] = [await open(server.url), await open(server.url)];
    const redis = server.client();
    const key = freshKey();
    for (let round = 0; round < 3; round++) {
      const held = await take(a, key);
      await redis.script('FLUSH');
      const { granted } = await queue(redis, b, key);
      await redis.script('FLUSH');
      expect(await a.extend(held, 9_000)).not.toBeNull();
      await redis.script('FLUSH');
      expect(await a.release(held)).toBe(true);
      await redis.script('FLUSH');
      expect(await b.inspect(key)).not.toBeNull();
      expect(await b.release(await granted)).toBe(true);
    }
    await expectFree(redis, key);
  });

  test('a Redis that is full refuses newcomers with a backend error, and still serves who is in line', async () => {
    const [holder, waiter] = [await open(server.url), await open(server.url)];
    const redis = server.client();
    const key = freshKey();
    const held = await take(holder, key, { ttl: 20_000 });
    const { granted } = await queue(redis, waiter, key, { wait: 10_000 });
    await redis.config('SET', 'maxmemory', '1');
    expect(await reasonOf(ask(holder, freshKey()))).toBeInstanceOf(LockBackendError);
    expect(await holder.release(held)).toBe(true);
    const grant = await granted;
    expect(await holderOf(redis, key)).toBe(grant.token);
    expect(await waiter.release(grant)).toBe(true);
    await expectFree(redis, key);
  });
});

test('no message holds the password', async () => {
  const secret = 'hunter2-very-secret';
  const guarded = await startRedis({ password: secret });
  const port = await freePort();
  const targets = [
    `redis://:${secret}x@127.0.0.1:${guarded.port}`,
    `redis://:${secret}@127.0.0.1:${port}`,
    `redis+sentinel://:${secret}@127.0.0.1:${port}/name`,
    `redis+cluster://:${secret}@127.0.0.1:${port}`,
    `redis+sentinel://:p@${secret}@127.0.0.1:${port}/name`,
    `redis://:${secret}@127.0.0.1:notaport`,
    `http://:${secret}@127.0.0.1`,
  ].map((url) => ({ url }));
  const mistaken = [
    `redis://:${secret}@127.0.0.1`,
    new URL(`redis://:${secret}@127.0.0.1`),
  ] as never as object[];
  const errors = await Promise.all(
    [...targets, ...mistaken].map((target) => reasonOf(open(target as { url: string }))),
  );
  const { inspect } = await import('node:util');
  for (const error of errors) {
    expect(`${error.code}: ${error.message}`).toMatch(/^LOCK_/);
    expect(inspect(error, { depth: 9 })).not.toContain(secret);
  }
  await closeAll();
  await guarded.stop();
  // ioredis leaves a timer of 2 s behind for each sentinel that it cannot reach.
  await sleep(2_000);
});
