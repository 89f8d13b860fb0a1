import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, jest, test } from '@jest/globals';
import { LOOK_MS, LOOKS } from '../src/core/clock.js';
import { LockBackendError, LockClosedError, LockConfigError, LockUsageError } from '../src/core/errors.js';
import { memoryDriver } from '../src/drivers/memory.js';
import type { LockDriver } from '../src/lease/driver.js';
import { Locker } from '../src/lease/locker.js';
import { LockRegistry } from '../src/registry.js';
import { FakeClock } from '../src/testing/fake-clock.js';
import { Bed, down, silent, watch } from './support/bed.js';
import { usageOf } from './support/usage.js';
import { deferred, sleep } from './support/wait.js';

describe('a new registry', () => {
  test('has the driver memory and the locker default', async () => {
    const registry = new LockRegistry();
    const locker = registry.mustOf();
    expect(locker).toBeInstanceOf(Locker);
    expect(locker.name).toBe('default');
    expect(registry.of('default')).toBe(locker);
    expect(registry.of('')).toBe(locker);
    expect(await locker.with('a', () => 1)).toBe(1);
    await registry.close();
  });

  test('knows no other locker: of is undefined, mustOf names what there is, sorted', () => {
    const registry = new LockRegistry().registerLocker('jobs').registerLocker('a');
    expect(registry.of('x')).toBeUndefined();
    expect(() => registry.mustOf('x')).toThrow(LockConfigError);
    expect(() => registry.mustOf('x')).toThrow('locker "x" is not registered; there are: a, default, jobs');
  });

  test('has a driver on its own clock', async () => {
    const clock = new FakeClock();
    const locker = new LockRegistry({ clock }).mustOf();
    await locker.acquire('k', { ttl: '1s', autoRenew: false });
    await clock.advance(999);
    expect(await locker.tryAcquire('k')).toBeNull();
    await clock.advance(1);
    expect(await locker.tryAcquire('k')).not.toBeNull();
  });
});

describe('lockers', () => {
  test('have defaults of their own, under those of the call', async () => {
    const { registry, clock } = new Bed();
    const jobs = registry
      .registerLocker('jobs', { ttl: '5s', prefix: 'jobs:', meta: { team: 'a' } })
      .mustOf('jobs');
    const lease = await jobs.acquire('k');
    expect([lease.ttl(), lease.meta.team]).toEqual([5_000, 'a']);
    expect((await jobs.acquire('l', { ttl: '9s' })).ttl()).toBe(9_000);
    expect(await registry.mustOf().tryAcquire('k')).not.toBeNull();
    await clock.advance(5_000);
    expect(lease.held).toBe(false);
  });

  test('with one driver and one prefix exclude each other', async () => {
    const registry = new LockRegistry().registerLocker('a').registerLocker('b');
    await registry.mustOf('a').acquire('k');
    expect(await registry.mustOf('b').tryAcquire('k')).toBeNull();
  });

  test('are shown by info, sorted, with all settings', () => {
    const registry = new LockRegistry().registerLocker('z', { ttl: '1m', autoRenew: true, meta: { x: 'y' } });
    registry.registerLocker('a', { driver: 'redis', prefix: 'a:', wait: 'forever', retry: [0] });
    const info = registry.info();
    expect(info.map(({ name }) => name)).toEqual(['a', 'default', 'z']);
    expect(info[0]).toEqual({
      name: 'a',
      driver: 'redis',
      prefix: 'a:',
      ttl: 30_000,
      wait: Infinity,
      mode: 'write',
      limit: undefined,
      atLeast: 0,
      autoRenew: undefined,
      maxHold: Infinity,
      renewIn: 'main',
      maxBlock: 60_000,
      retryInterval: 100,
      meta: { host: expect.any(String), pid: String(process.pid) },
    });
    expect(info[2]).toMatchObject({ ttl: 60_000, autoRenew: true, meta: { x: 'y' } });
  });

  test('whose driver is missing fail when used, and work once it is registered', async () => {
    const registry = new LockRegistry().registerLocker('jobs', { driver: 'mine' });
    await expect(registry.mustOf('jobs').acquire('k')).rejects.toThrow(
      'lock: config: driver "mine" is not registered; there are: memory',
    );
    await expect(registry.connect()).rejects.toBeInstanceOf(LockConfigError);
    registry.registerDriver('mine', memoryDriver());
    expect(await registry.mustOf('jobs').tryAcquire('k')).not.toBeNull();
    await registry.connect();
  });
});

test('a driver is made outside of the async context of the call that needs it first', async () => {
  const context = new AsyncLocalStorage<string>();
  const seen: unknown[] = [];
  const registry = new LockRegistry().registerDriver('mine', async () => {
    seen.push(context.getStore());
    await null;
    seen.push(context.getStore());
    return memoryDriver();
  });
  const locker = registry.registerLocker('jobs', { driver: 'mine' }).mustOf('jobs');
  expect(await context.run('of the caller', () => locker.with('a', () => context.getStore()))).toBe(
    'of the caller',
  );
  expect(seen).toEqual([undefined, undefined]);
  await registry.close();
});

describe('names', () => {
  test.each(['', undefined, 5])('%p is none', (name) => {
    const registry = new LockRegistry();
    const refused = { code: 'LOCK_USAGE', option: 'name', value: name };
    expect(usageOf(() => registry.registerLocker(name as never))).toMatchObject(refused);
    expect(usageOf(() => registry.registerDriver(name as never, memoryDriver))).toMatchObject(refused);
  });

  test('are given once', () => {
    const registry = new LockRegistry().registerLocker('jobs').registerDriver('mine', memoryDriver);
    expect(() => registry.registerLocker('jobs')).toThrow('locker "jobs" is registered already');
    expect(() => registry.registerDriver('mine', memoryDriver)).toThrow(
      'driver "mine" is registered already',
    );
  });

  test('that are built in may be given anew once', () => {
    const registry = new LockRegistry().registerLocker('default', { ttl: '1s' });
    expect(registry.info()).toMatchObject([{ name: 'default', ttl: 1_000 }]);
    expect(() => registry.registerLocker('default')).toThrow(LockConfigError);
    expect(() => registry.registerDriver('memory', 5 as never)).toThrow(LockUsageError);
    registry.registerDriver('memory', memoryDriver);
    expect(() => registry.registerDriver('memory', memoryDriver)).toThrow(LockConfigError);
  });

  test('of the other kind are nothing special', () => {
    const registry = new LockRegistry().registerLocker('memory').registerDriver('default', memoryDriver);
    expect(() => registry.registerLocker('memory')).toThrow(LockConfigError);
    expect(() => registry.registerDriver('default', memoryDriver)).toThrow(LockConfigError);
    registry.registerDriver('memory', memoryDriver).registerLocker('default');
  });
});

describe('drivers', () => {
  test.each([undefined, null, 5, {}, { acquire: 'k' }])('%p is none, and its name stays free', (driver) => {
    const registry = new LockRegistry();
    const error = usageOf(() => registry.registerDriver('mine', driver as never));
    expect(error).toMatchObject({ option: 'driver', value: driver });
    registry.registerDriver('mine', memoryDriver);
  });

  test('that are built in cannot be replaced once in use, for its holders would be forgotten', async () => {
    const registry = new LockRegistry();
    await registry.mustOf().with('k', () => {});
    expect(() => registry.registerDriver('memory', memoryDriver())).toThrow(LockConfigError);
  });

  test.each([{}, undefined, null])('that a function fails to make are named: %p', async (made) => {
    const registry = new LockRegistry().registerDriver('odd', (() => made) as never);
    registry.registerLocker('jobs', { driver: 'odd' });
    await expect(registry.mustOf('jobs').acquire('k')).rejects.toThrow(
      'lock: config: the function registered as driver "odd" made no driver',
    );
    await registry.close();
  });

  test('that a function refuses to make with an error of the locks are refused with that error', async () => {
    const error = new LockConfigError('no address');
    const registry = new LockRegistry().registerDriver('memory', () => Promise.reject(error));
    await expect(registry.connect()).rejects.toBe(error);
  });

  test('are made once, when first needed', async () => {
    let made = 0;
    const registry = new LockRegistry().registerDriver('mine', async () => {
      made++;
      await sleep(10);
      return memoryDriver();
    });
    registry.registerLocker('a', { driver: 'mine' }).registerLocker('b', { driver: 'mine' });
    expect(made).toBe(0);
    const leases = await Promise.all(['a', 'b'].map((name) => registry.mustOf(name).tryAcquire('k')));
    expect(leases.filter(Boolean)).toHaveLength(1);
    expect(made).toBe(1);
  });

  test('that could not be made are an outage with a cause, and are made anew at the next need', async () => {
    const cause = new Error('no socket');
    let fail = true;
    const registry = new LockRegistry().registerDriver('memory', () => {
      if (fail) throw cause;
      return memoryDriver();
    });
    await expect(registry.mustOf().acquire('k')).rejects.toMatchObject({ code: 'LOCK_BACKEND', cause });
    const message = 'lock: backend: driver "memory" could not be made';
    await expect(registry.connect()).rejects.toMatchObject({ code: 'LOCK_BACKEND', message, cause });
    fail = false;
    expect(await registry.mustOf().tryAcquire('k')).not.toBeNull();
  });

  test('are asked by connect and ping', async () => {
    const { registry, instead, clock } = new Bed();
    registry.registerLocker('lost', { driver: 'nowhere' });
    const answers = await registry.ping();
    expect(answers.get('memory')).toEqual({ status: 'up', latencyMs: 0 });
    expect(answers.get('nowhere')).toMatchObject({
      status: 'down',
      error: expect.stringContaining('nowhere'),
    });
    await clock.advance(5);
    instead.ping = () => new Promise((resolve) => void clock.after(7, () => resolve()));
    const timed = registry.ping();
    await clock.advance(7);
    expect((await timed).get('memory')).toEqual({ status: 'up', latencyMs: 7 });
    instead.ping = down;
    expect((await registry.ping()).get('memory')).toMatchObject({ status: 'down' });
    instead.ping = silent;
    const asked = watch(registry.ping());
    await clock.advance(2_999);
    expect(asked.state).toBe('pending');
    await clock.advance(1);
    expect(asked.value?.get('memory')).toEqual({
      status: 'down',
      error: 'lock: backend: no answer within 3000 ms',
    });
    instead.ping = down;
    await expect(registry.connect()).rejects.toBeInstanceOf(LockBackendError);
  });
});

describe('close', () => {
  test('refuses what is new and rejects 1,000 waiters at once, gives 100 holders their grace', async () => {
    const { registry, locker, clock } = new Bed();
    const keys = Array.from({ length: 100 }, (_, n) => `k${n}`);
    const leases = await Promise.all(keys.map((key) => locker.acquire(key, { ttl: '1h', mode: 'read' })));
    const waiters = Array.from({ length: 1_000 }, (_, n) =>
      watch(locker.acquire(`k${n % 100}`, { wait: 'forever', mode: n % 3 ? 'write' : 'read' })),
    );
    await clock.advance(0);
    const readers = waiters.filter(({ state }) => state === 'fulfilled').length;
    const closing = watch(registry.close({ grace: '10s' }));
    await clock.advance(0);
    const rejected = waiters.filter(({ state }) => state === 'rejected');
    expect(rejected).toHaveLength(1_000 - readers);
    for (const { error } of rejected) expect(error).toBeInstanceOf(LockClosedError);
    await expect(locker.acquire('new')).rejects.toMatchObject({ code: 'LOCK_CLOSED', key: 'new' });
    expect(() => registry.registerLocker('new')).toThrow(LockClosedError);
    expect(() => registry.registerDriver('new', memoryDriver)).toThrow(LockClosedError);

    for (const lease of leases.slice(0, 60)) expect(await lease.release()).toBe(true);
    await clock.advance(9_999);
    expect(closing.state).toBe('pending');
    expect(leases[99]!.held).toBe(true);
    expect(await leases[99]!.refresh()).toBe(true);
    await clock.advance(1);
    expect(closing.state).toBe('fulfilled');
    for (const lease of leases.slice(60)) expect(lease.signal.reason).toMatchObject({ reason: 'closed' });
    expect(clock.pending).toBe(0);
  });

  test('ends when the last holder does, and frees its keys', async () => {
    const { registry, locker, clock, calls } = new Bed();
    const lease = await locker.acquire('a', { ttl: '1h' });
    const closing = watch(registry.close({ grace: '1h' }));
    await clock.advance(1_000);
    expect(closing.state).toBe('pending');
    await lease.release();
    await clock.advance(0);
    expect(closing.state).toBe('fulfilled');
    expect(calls.map(({ what }) => what)).toEqual(['acquire', 'release']);
  });

  test('with a grace of 0 takes all leases away and gives their keys back', async () => {
    const { registry, locker, calls } = new Bed();
    const lease = await locker.acquire(['a', 'b']);
    await registry.close({ grace: 0 });
    expect(lease.held).toBe(false);
    expect(calls.filter(({ what }) => what === 'release')).toHaveLength(2);
    expect(await lease.release()).toBe(false);
  });

  test('lets a with finish in its grace, and rejects one that does not', async () => {
    const { registry, locker, clock } = new Bed();
    const work = (ms: number) => () =>
      new Promise<string>((resolve) => void clock.after(ms, () => resolve('done')));
    const [brief, long] = [watch(locker.with('a', work(100))), watch(locker.with('b', work(10_000)))];
    await clock.advance(0);
    void registry.close({ grace: '1s' });
    await clock.advance(10_000);
    expect(brief.value).toBe('done');
    expect(long.error).toMatchObject({ code: 'LOCK_LOST', reason: 'closed' });
  });

  test('rejects those that wait for a second key, and frees their first', async () => {
    const bed = new Bed();
    await bed.hold('b');
    const waiting = watch(bed.locker.acquire(['a', 'b']));
    await bed.clock.advance(0);
    const closing = watch(bed.registry.close());
    bed.instead.close = async () => {
      expect(await bed.memory.inspect('lock:{a}')).toBeNull();
    };
    await bed.clock.advance(0);
    expect(closing.state).toBe('fulfilled');
    expect(waiting.error).toMatchObject({ code: 'LOCK_CLOSED' });
    expect(await bed.memory.inspect('lock:{a}')).toBeNull();
  });

  test('twice is once', async () => {
    let closed = 0;
    const driver: LockDriver = Object.assign(memoryDriver(), { close: async () => void closed++ });
    const registry = new LockRegistry().registerDriver('memory', driver);
    await registry.connect();
    await Promise.all([registry.close(), registry.close({ grace: 0 })]);
    await registry.close();
    expect(closed).toBe(1);
  });

  test('waits for a driver that is being made; one that cannot be made needs no closing', async () => {
    const making = deferred<LockDriver>();
    const registry = new LockRegistry().registerDriver('memory', () => making.promise);
    const asked = watch(registry.mustOf().acquire('a'));
    await sleep(0);
    const closing = registry.close();
    making.reject(new Error('no socket'));
    await closing;
    expect(asked.error).toMatchObject({ code: 'LOCK_CLOSED' });
  });

  test('closes a driver that was given itself though nobody needed it, once, and makes none to close it', async () => {
    const given = memoryDriver();
    const close = jest.spyOn(given, 'close');
    const make = jest.fn(memoryDriver);
    const registry = new LockRegistry()
      .registerDriver('given', given)
      .registerDriver('made', make)
      .registerLocker('jobs', { driver: 'given' });
    expect(close).not.toHaveBeenCalled();
    await registry.close();
    await registry.close();
    expect(close).toHaveBeenCalledTimes(1);
    expect(make).not.toHaveBeenCalled();
  });

  test('is the end: no driver is made afterwards', async () => {
    let made = 0;
    const registry = new LockRegistry().registerDriver('memory', () => {
      made++;
      return memoryDriver();
    });
    await registry.close();
    await expect(registry.connect()).rejects.toMatchObject({ code: 'LOCK_CLOSED' });
    expect((await registry.ping()).get('memory')).toEqual({ status: 'down', error: 'lock: closed' });
    expect(made).toBe(0);
  });

  test('makes no driver, and tells of one that would not close, after closing the others', async () => {
    const error = new LockBackendError('will not');
    let closed = false;
    const bad = Object.assign(memoryDriver(), { close: () => Promise.reject(error) });
    const close = async () => {
      closed = true;
    };
    const good = Object.assign(memoryDriver(), { close });
    const registry = new LockRegistry().registerDriver('bad', bad).registerDriver('good', good);
    registry.registerDriver('unused', () => Promise.reject(new Error('was made')));
    registry.registerLocker('a', { driver: 'bad' }).registerLocker('b', { driver: 'good' });
    await registry.connect();
    await expect(registry.close()).rejects.toBe(error);
    expect(closed).toBe(true);
  });
});

describe('close ends, whatever', () => {
  const LIMIT = 5_000;

  test('grace is 5 s by default', async () => {
    const { registry, locker, clock } = new Bed();
    const lease = await locker.acquire('a', { ttl: '1h' });
    const closing = watch(registry.close());
    await clock.advance(4_999);
    expect([closing.state, lease.held]).toEqual(['pending', true]);
    await clock.advance(1);
    expect([closing.state, lease.held]).toEqual(['fulfilled', false]);
  });

  test.each([
    [{ grace: '5sec' }, 'grace'],
    [{ grace: -1 }, 'grace'],
    [{ grce: 1 }, 'grce'],
    [5, 'options'],
    [null, 'options'],
  ])('options %j are refused before anything is done, and the next close works', async (options, option) => {
    const { registry, locker } = new Bed();
    const lease = await locker.acquire('a');
    await expect(registry.close(options as object)).rejects.toMatchObject({ code: 'LOCK_USAGE', option });
    expect(lease.held).toBe(true);
    expect(await locker.tryAcquire('b')).not.toBeNull();
    await registry.close({ grace: 0 });
    expect(lease.held).toBe(false);
  });

  test('a driver that never takes a lease back has 5 s, and is closed and told of then', async () => {
    const { registry, locker, clock, instead, memory } = new Bed();
    await locker.acquire('a');
    await locker.acquire(['b', 'c']);
    instead.release = silent;
    const order: string[] = [];
    instead.close = async () => {
      order.push('closed');
      await memory.close();
    };
    const closing = watch(registry.close({ grace: 1_000 }));
    await clock.advance(1_000 + LIMIT - 1);
    expect([closing.state, order]).toEqual(['pending', []]);
    await clock.advance(1);
    expect(order).toEqual(['closed']);
    expect(closing.error).toBeInstanceOf(LockBackendError);
    expect((closing.error as Error).message).toContain('not taken back within 5000 ms');
    expect(clock.pending).toBe(0);
  });

  test.each([
    ['25 ms after the last moment, has no more time', LOOK_MS, 0],
    ['later, has 100 ms in which its answers may be read', LOOK_MS + 1, LOOKS * LOOK_MS],
  ])(
    'a process that stood still and sees that a driver has not taken a lease back %s',
    async (_, late, more) => {
      const { registry, locker, clock, instead } = new Bed();
      await locker.acquire('a');
      const answer = deferred<boolean>();
      instead.release = () => answer.promise;
      const closing = watch(registry.close({ grace: 0 }));
      await clock.advance(LIMIT - 1);
      clock.jump(1 + late);
      await clock.advance(0);
      if (more > 0) {
        expect(closing.state).toBe('pending');
        await clock.advance(more - 1);
        expect(closing.state).toBe('pending');
        await clock.advance(1);
      }
      expect(closing.error).toBeInstanceOf(LockBackendError);
      expect(clock.pending).toBe(0);
    },
  );

  test('a process that stood still while it closed finds the answer that has come meanwhile', async () => {
    const { registry, locker, clock, instead } = new Bed();
    await locker.acquire('a');
    const answer = deferred<boolean>();
    instead.release = () => answer.promise;
    const closing = watch(registry.close({ grace: 0 }));
    await clock.advance(0);
    clock.jump(LIMIT + 1_000);
    await clock.advance(0);
    expect(closing.state).toBe('pending');
    answer.resolve(true);
    await clock.advance(0);
    expect(closing.state).toBe('fulfilled');
  });

  test('a driver that never closes has 5 s, and is told of; the others are closed meanwhile', async () => {
    const clock = new FakeClock();
    let closed = false;
    const noteClosed = async () => {
      closed = true;
    };
    const good = Object.assign(memoryDriver({ clock }), { close: noteClosed });
    const bad = Object.assign(memoryDriver({ clock }), { close: silent });
    const registry = new LockRegistry({ clock }).registerDriver('bad', bad).registerDriver('good', good);
    registry.registerLocker('a', { driver: 'bad' }).registerLocker('b', { driver: 'good' });
    await registry.connect();
    const closing = watch(registry.close());
    await clock.advance(LIMIT - 1);
    expect([closing.state, closed]).toEqual(['pending', true]);
    await clock.advance(1);
    expect(closing.error).toBeInstanceOf(LockBackendError);
    expect((closing.error as Error).message).toContain('"bad" did not close within 5000 ms');
  });

  test('ends every call that waits for a driver that is never made, and those that come later', async () => {
    const clock = new FakeClock();
    const registry = new LockRegistry({ clock }).registerDriver('memory', () => new Promise(() => {}));
    const locker = registry.mustOf();
    const calls = (): Promise<unknown>[] => [
      locker.acquire('k'),
      locker.inspect('k'),
      locker.list()[Symbol.asyncIterator]().next(),
      locker.revoke('k', 1),
      registry.connect(),
    ];
    const early = Promise.allSettled(calls());
    await clock.advance(1);
    const closing = registry.close().catch((error: unknown) => error);
    const closed = { status: 'rejected', reason: expect.any(LockClosedError) };
    expect(await early).toEqual(Array(5).fill(closed));
    expect(await Promise.allSettled(calls())).toEqual(Array(5).fill(closed));
    await clock.advance(5_000);
    expect(await closing).toBeInstanceOf(LockBackendError);
  });

  test('a driver that is still being made is awaited 5 s, and closed whenever it is there', async () => {
    const clock = new FakeClock();
    const made = deferred<LockDriver>();
    const registry = new LockRegistry({ clock }).registerDriver('memory', () => made.promise);
    const asked = watch(registry.mustOf().acquire('a'));
    await clock.advance(0);
    const closing = watch(registry.close());
    await clock.advance(LIMIT - 1);
    expect([closing.state, asked.error]).toEqual(['pending', expect.any(LockClosedError)]);
    await clock.advance(1);
    expect(closing.error).toBeInstanceOf(LockBackendError);
    let closed = false;
    const noteClosed = async () => {
      closed = true;
    };
    made.resolve(Object.assign(memoryDriver({ clock }), { close: noteClosed }));
    await clock.advance(0);
    expect(closed).toBe(true);
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('odd');
      },
    ],
    [
      'rejects',
      async () => {
        throw new Error('odd');
      },
    ],
  ])('a driver that %s at every call is told of, and all is over', async (_, odd) => {
    const { registry, locker, clock, instead } = new Bed();
    const lease = await locker.acquire('a');
    Object.assign(instead, { release: odd, close: odd, extend: odd, acquire: odd });
    const closing = watch(registry.close({ grace: 10 }));
    await clock.advance(10);
    expect(closing.error).toMatchObject({
      code: 'LOCK_BACKEND',
      cause: expect.objectContaining({ message: 'odd' }),
    });
    expect(lease.held).toBe(false);
  });

  test('the drivers are closed after the leases are back: those of holders, of withs that fail, and of those who wait', async () => {
    const bed = new Bed();
    const { registry, locker, clock, instead, memory } = bed;
    const order: string[] = [];
    instead.release = async (grant) => {
      await new Promise<void>((resolve) => void clock.after(100, resolve));
      order.push(grant.key);
      return memory.release(grant);
    };
    instead.close = async () => void order.push('closed');
    await bed.hold('wanted', 3_600_000);
    const work = deferred();
    const failing = watch(
      locker.with('failing', async () => {
        await work.promise;
        throw new Error('mine');
      }),
    );
    const lease = await locker.acquire('held');
    const waiting = watch(locker.acquire(['first', 'wanted']));
    await locker.acquire('left');
    await clock.advance(0);
    const closing = watch(registry.close({ grace: 1_000 }));
    await clock.advance(0);
    expect(waiting.error).toMatchObject({ code: 'LOCK_CLOSED', key: ['first', 'wanted'] });
    work.resolve();
    watch(lease.release());
    await clock.advance(99);
    expect([failing.state, order]).toEqual(['pending', []]);
    await clock.advance(1);
    expect(failing.error).toMatchObject({ message: 'mine' });
    expect(order.sort()).toEqual(['lock:{failing}', 'lock:{first}', 'lock:{held}']);
    await clock.advance(999);
    expect(order).toHaveLength(3);
    await clock.advance(1);
    expect(order.slice(3)).toEqual(['lock:{left}', 'closed']);
    expect(closing.state).toBe('fulfilled');
  });
});

test('1,000 lockers of one key all finish; 100 writers and 100 readers too', async () => {
  const locker = new LockRegistry().mustOf();
  let done = 0;
  let writers = 0;
  let readers = 0;
  const job = (key: string, mode: 'write' | 'read') =>
    locker.with(
      key,
      async () => {
        if (mode === 'write') expect([writers++, readers]).toEqual([0, 0]);
        else expect([readers++ >= 0, writers]).toEqual([true, 0]);
        await new Promise(setImmediate);
        if (mode === 'write') writers--;
        else readers--;
        done++;
      },
      { mode },
    );
  await Promise.all(Array.from({ length: 1_000 }, () => job('a', 'write')));
  await Promise.all(Array.from({ length: 200 }, (_, n) => job('b', n % 2 ? 'write' : 'read')));
  expect(done).toBe(1_200);
  expect([await locker.inspect('a'), await locker.inspect('b')]).toEqual([null, null]);
}, 30_000);
