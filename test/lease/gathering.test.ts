import { getEventListeners } from 'node:events';
import { describe, expect, test } from '@jest/globals';
import {
  LockBackendError,
  LockClosedError,
  LockNotObtainedError,
  LockTimeoutError,
} from '../../src/core/errors.js';
import { retry } from '../../src/core/retry.js';
import { memoryDriver } from '../../src/drivers/memory.js';
import type { AcquireRequest, LockDriver } from '../../src/lease/driver.js';
import { LockRegistry } from '../../src/registry.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { Bed, down, silent, watch } from '../support/bed.js';
import { deferred } from '../support/wait.js';

const turn = () => new Promise(setImmediate);

describe('what a driver is asked for', () => {
  test('a wait is what is left of it, and has no patience of its own', async () => {
    const { locker, calls } = new Bed();
    await locker.acquire('a', { wait: 500 });
    await locker.tryAcquire('b');
    expect(calls).toEqual([
      { what: 'acquire', key: 'lock:{a}', ttl: 30_000, wait: 500, patience: undefined },
      { what: 'acquire', key: 'lock:{b}', ttl: 30_000, wait: 0, patience: undefined },
    ]);
  });

  test('of several keys, those whose turn comes after the wait are tried for a moment', async () => {
    const { locker, calls, instead, memory, clock } = new Bed();
    instead.acquire = async (request) => {
      clock.jump(50);
      return memory.acquire(request);
    };
    const lease = await locker.tryAcquire(['a', 'b', 'c', 'd'], { wait: 100 });
    expect(lease!.keys).toEqual(['a', 'b', 'c', 'd']);
    expect(calls.map(({ wait, patience }) => [wait, patience])).toEqual([
      [100, undefined],
      [50, undefined],
      [0, 100],
      [0, 100],
    ]);
  });

  test.each([
    ['in the queue', undefined],
    ['by a retry strategy', [0, 10]],
  ])(
    'of several keys, no more are asked for 0.1 s after the first whose turn came after the wait: %s',
    async (_, retry) => {
      const { locker, calls, instead, memory, clock } = new Bed();
      instead.acquire = async (request) => {
        clock.jump(45);
        return memory.acquire(request);
      };
      const keys = Array.from('abcdefgh');
      await expect(locker.acquire(keys, { wait: 100, retry })).rejects.toThrow(LockTimeoutError);
      expect(calls.filter(({ what }) => what === 'acquire')).toHaveLength(6);
      expect(calls.filter(({ what }) => what === 'release')).toHaveLength(6);
      for (const key of keys) expect(await memory.inspect(`lock:{${key}}`)).toBeNull();
      expect(await locker.tryAcquire(keys, { wait: 100, retry })).toBeNull();
      expect((await locker.tryAcquire(keys))!.keys).toEqual(keys);
    },
  );

  test('of several keys, those are tried whose turn comes late because the process was stopped', async () => {
    const { locker, instead, memory, clock } = new Bed();
    instead.acquire = async (request) => {
      const grant = await memory.acquire(request);
      if (request.key === 'lock:{a}') clock.jump(5_000);
      return grant;
    };
    expect((await locker.acquire(['a', 'b', 'c'], { wait: 100 })).keys).toEqual(['a', 'b', 'c']);
  });

  test('each try of a retry strategy has the patience of a single try, and no more than is left', async () => {
    const { locker, calls, clock } = new Bed();
    await locker.acquire('a', { ttl: '1h' });
    calls.length = 0;
    watch(locker.acquire('a', { wait: 2_500, retry: retry.linear('800ms') }));
    await clock.advance(2_500);
    expect(calls.map(({ wait, patience }) => [wait, patience])).toEqual([
      [0, 1_000],
      [0, 1_000],
      [0, 900],
      [0, 100],
    ]);
  });

  test('a single try is asked for once, with the patience of the driver, whatever the retry strategy', async () => {
    const { locker, calls } = new Bed();
    await locker.acquire('a', { ttl: '1h' });
    calls.length = 0;
    await expect(locker.acquire('a', { wait: 0, retry: [0, 0] })).rejects.toBeInstanceOf(LockTimeoutError);
    expect(await locker.tryAcquire('a', { wait: 0, retry: [0, 0] })).toBeNull();
    expect(calls.map(({ wait, patience }) => [wait, patience])).toEqual([
      [0, undefined],
      [0, undefined],
    ]);
  });

  test('a try that waits for the thread has half of its second for that, and half for the key', async () => {
    const clock = new FakeClock();
    const driver: LockDriver = memoryDriver({ clock });
    const acquire = driver.acquire.bind(driver);
    const asked: [at: number, patience: number | undefined][] = [];
    driver.acquire = (request) => {
      asked.push([clock.now(), request.patience]);
      return acquire(request);
    };
    driver.startThread = () => new Promise(() => {});
    const registry = new LockRegistry({ clock }).registerDriver('slow', driver);
    const locker = registry.registerLocker('slow', { driver: 'slow', renewIn: 'thread' }).mustOf('slow');
    const began = clock.now();
    const lease = watch(locker.tryAcquire('a', { autoRenew: true }));
    await clock.advance(499);
    expect(asked).toEqual([]);
    await clock.advance(1);
    expect(asked).toEqual([[began + 500, 500]]);
    expect(lease.value?.held).toBe(true);
  });

  test('a limit is asked for in mode read', async () => {
    const { locker, instead, memory } = new Bed();
    const asked: AcquireRequest[] = [];
    instead.acquire = (request) => {
      asked.push(request);
      return memory.acquire(request);
    };
    const lease = await locker.acquire('a', { limit: 5 });
    expect(lease.mode).toBe('read');
    expect(asked[0]).toMatchObject({ mode: 'read', limit: 5 });
  });
});

describe('a ttl that is over before the grant arrives', () => {
  function lateBed(late: number): Bed {
    const bed = new Bed();
    bed.instead.acquire = async (request) => {
      const grant = await bed.memory.acquire(request);
      bed.clock.jump(late);
      return grant;
    };
    return bed;
  }

  test.each([
    ['acquire', (bed: Bed) => bed.locker.acquire('a', { ttl: 5, wait: 500 })],
    ['acquire for ever', (bed: Bed) => bed.locker.acquire('a', { ttl: 5, wait: 'forever' })],
    ['tryAcquire', (bed: Bed) => bed.locker.tryAcquire('a', { ttl: 5 })],
    ['with', (bed: Bed) => bed.locker.with('a', () => 1, { ttl: 5 })],
    ['several keys', (bed: Bed) => bed.locker.acquire(['a', 'b'], { ttl: 5 })],
    ['a retry strategy', (bed: Bed) => bed.locker.acquire('a', { ttl: 5, retry: [0, 0, 0] })],
  ])('is told as such, naming the ttl, and not as contention: %s', async (what, ask) => {
    for (const late of [5, 6]) {
      const bed = lateBed(late);
      const asked = watch<unknown>(ask(bed));
      for (let turns = 0; asked.state === 'pending' && turns < 1_000; turns++) await turn();
      expect(asked.error).toBeInstanceOf(LockBackendError);
      const several = what === 'several keys';
      expect((asked.error as Error).message).toContain('`ttl` of 5 ms');
      expect((asked.error as Error).message).toContain(several ? 'too short' : 'use a longer one');
      expect(asked.error).toMatchObject({ key: several ? ['a', 'b'] : 'a' });
      expect(bed.count('acquire')).toBe(2);
      expect(bed.count('release')).toBe(2);
      expect(await bed.memory.inspect('lock:{a}')).toBeNull();
    }
  });

  test('once only is no fault: the process may have been stopped', async () => {
    const bed = lateBed(6);
    const { instead } = bed;
    const late = instead.acquire!;
    instead.acquire = (request) => {
      delete instead.acquire;
      return late(request);
    };
    expect((await bed.locker.acquire('a', { ttl: 5 })).ttl()).toBe(5);
    expect((await bed.locker.tryAcquire('b', { ttl: 5 }))!.ttl()).toBe(5);
  });
});

describe('the reason of the signal comes through as it is', () => {
  const REASONS = [
    ['an error', new Error('enough')],
    ['a LockTimeoutError', new LockTimeoutError('outer', 5)],
    ['a LockBackendError', new LockBackendError('outer')],
    ['null', null],
    ['undefined', undefined],
    ['NaN', Number.NaN],
    ['0', 0],
    ['text', 'enough'],
    ['a symbol', Symbol('enough')],
  ] as const;
  const WAYS = {
    'in the queue': { wait: 'forever' },
    'between tries': { retry: retry.linear(10) },
    'between tries without delay': { retry: retry.linear(0) },
  } as const;

  test.each(REASONS)('%s, whatever it waits for', async (_, reason) => {
    const { locker, clock } = new Bed();
    await locker.acquire('a', { ttl: '1h' });
    for (const way of Object.values(WAYS)) {
      for (const keys of ['a', ['0', 'a']]) {
        const stop = new AbortController();
        const asked = watch(locker.acquire(keys, { ...way, signal: stop.signal }));
        const tried = watch(locker.tryWith(keys, () => 1, { ...way, signal: stop.signal }));
        await clock.advance(25);
        expect([asked.state, tried.state]).toEqual(['pending', 'pending']);
        stop.abort(reason);
        await clock.advance(0);
        expect([asked.state, tried.state]).toEqual(['rejected', 'rejected']);
        expect(asked.error).toBe(stop.signal.reason);
        expect(tried.error).toBe(stop.signal.reason);
        const late = watch(locker.acquire(keys, { ...way, signal: stop.signal }));
        await clock.advance(0);
        expect(late.state).toBe('rejected');
        expect(late.error).toBe(stop.signal.reason);
      }
    }
    expect(await locker.inspect('0')).toBeNull();
  });

  test.each([
    ['answers null', async () => null],
    ['fails', down],
  ])('from a driver that then %s', async (_, answer) => {
    const { locker, instead } = new Bed();
    const stop = new AbortController();
    instead.acquire = () => {
      stop.abort(Number.NaN);
      return answer();
    };
    const asked = watch(locker.acquire('a', { signal: stop.signal }));
    await turn();
    expect(asked).toEqual({ state: 'rejected', error: Number.NaN });
  });

  test('and what was granted in that moment is given back', async () => {
    const { locker, instead, memory } = new Bed();
    const stop = new AbortController();
    instead.acquire = async (request) => {
      const grant = await memory.acquire(request);
      stop.abort('enough');
      return grant;
    };
    await expect(locker.acquire('a', { signal: stop.signal })).rejects.toBe('enough');
    await turn();
    expect(await memory.inspect('lock:{a}')).toBeNull();
  });

  test('though the registry closes in the same moment', async () => {
    const { locker, clock, registry } = new Bed();
    await locker.acquire('a', { ttl: '1h' });
    const stop = new AbortController();
    const asked = watch(locker.acquire('a', { signal: stop.signal }));
    const other = watch(locker.acquire('a', { signal: new AbortController().signal }));
    await clock.advance(10);
    stop.abort('enough');
    watch(registry.close());
    await clock.advance(0);
    expect(asked.error).toBe('enough');
    expect(other.error).toBeInstanceOf(LockClosedError);
    expect(other.error).toMatchObject({ key: 'a' });
  });

  test('where it has none, that is no end of the registry', async () => {
    const { locker } = new Bed();
    // As an AbortSignal of an older library.
    const signal = { aborted: true, addEventListener() {} } as never;
    const asked = watch(locker.acquire('a', { signal }));
    await turn();
    expect(asked.state).toBe('rejected');
    expect(asked.error).not.toBeInstanceOf(LockClosedError);
  });

  test('while the first of several keys are being prolonged', async () => {
    const { locker, clock, instead } = new Bed();
    const held = await locker.acquire('b', { ttl: '1h' });
    const stop = new AbortController();
    const both = watch(locker.acquire(['a', 'b'], { ttl: 900, signal: stop.signal }));
    await clock.advance(250);
    instead.extend = silent;
    await held.release();
    await clock.advance(10);
    expect(both.state).toBe('pending');
    stop.abort('enough');
    await clock.advance(0);
    expect(both.error).toBe('enough');
    expect([await locker.inspect('a'), await locker.inspect('b')]).toEqual([null, null]);
  });
});

test('signals that outlive 10,000 calls keep nothing of them', async () => {
  const { locker, instead, memory } = new Bed();
  const stop = new AbortController();
  const given: AbortSignal[] = [];
  instead.acquire = (request) => {
    given.push(request.signal!);
    return memory.acquire(request);
  };
  for (let n = 0; n < 5_000; n++) {
    await (await locker.acquire('a', { signal: stop.signal })).release();
    await locker.with('a', () => locker.tryAcquire('a', { signal: stop.signal }));
  }
  expect(getEventListeners(stop.signal, 'abort')).toEqual([]);
  expect(given).toHaveLength(15_000);
  const own = given.filter((_, index) => index % 3 !== 1);
  stop.abort('enough');
  // A listener that was left behind would have passed it on.
  expect(own.filter(({ aborted }) => aborted)).toEqual([]);
  await expect(locker.acquire('a', { signal: stop.signal })).rejects.toBe('enough');
});

describe('the time of several keys', () => {
  test('maxHold counts from when all are held', async () => {
    const { locker, clock } = new Bed();
    const held = await locker.acquire('b', { ttl: '1h' });
    const both = watch(locker.acquire(['a', 'b'], { maxHold: 200, ttl: 900 }));
    await clock.advance(5_000);
    expect(both.state).toBe('pending');
    await held.release();
    await clock.advance(0);
    const lease = both.value!;
    await clock.advance(199);
    expect(lease.held).toBe(true);
    await clock.advance(1);
    expect(lease.held).toBe(false);
    expect(lease.signal.reason).toMatchObject({ reason: 'maxHold' });
  });

  /** As if the answer for key b took `ms`. */
  function slowBed(ms: number): Bed {
    const bed = new Bed();
    bed.instead.acquire = async (request) => {
      if (request.key === 'lock:{b}') bed.clock.jump(ms);
      return bed.memory.acquire(request);
    };
    return bed;
  }

  test.each([
    ['acquire', 90, 810],
    ['acquire', 91, 900],
    ['tryAcquire', 90, 810],
    ['tryAcquire', 91, 900],
  ] as const)(
    '%s prolongs the first ones where more than a tenth of their ttl is gone, of 900 ms after %i',
    async (method, ms, left) => {
      const { locker } = slowBed(ms);
      const lease = await locker[method](['a', 'b'], { ttl: 900 });
      expect(lease!.ttl()).toBe(left);
    },
  );

  test('a single key is not prolonged, however late its grant comes', async () => {
    const bed = new Bed();
    bed.instead.acquire = async (request) => {
      const grant = await bed.memory.acquire(request);
      bed.clock.jump(500);
      return grant;
    };
    expect((await bed.locker.acquire('a', { ttl: 900 })).ttl()).toBe(400);
    expect(bed.count('extend')).toBe(0);
  });

  test('a try whose first key is always taken away meanwhile ends, and is told of no outage', async () => {
    const bed = new Bed();
    let rounds = 0;
    bed.instead.acquire = async (request) => {
      if (request.key === 'lock:{b}' && rounds++ < 1_000) {
        const [holder] = (await bed.locker.inspect('a'))!.holders;
        await bed.locker.revoke('a', holder!.fence!);
      }
      return bed.memory.acquire(request);
    };
    const tried = watch(bed.locker.tryAcquire(['a', 'b']));
    await bed.clock.advance(0);
    expect(tried).toMatchObject({ state: 'fulfilled', value: null });
    expect(rounds).toBe(2);
    expect([await bed.locker.inspect('a'), await bed.locker.inspect('b')]).toEqual([null, null]);
  });

  test('a wait whose first key is always lost meanwhile ends soon after its time', async () => {
    const bed = slowBed(200);
    bed.instead.extend = async () => null;
    const asked = watch(bed.locker.acquire(['a', 'b'], { ttl: 900, wait: 1_000 }));
    await bed.clock.advance(0);
    expect(asked.error).toBeInstanceOf(LockBackendError);
    expect(bed.clock.now()).toBeGreaterThanOrEqual(1_000);
    expect(bed.clock.now()).toBeLessThanOrEqual(1_400);
  });

  test('a key that is taken away in the moment of its grant is taken anew', async () => {
    const { locker, instead, memory } = new Bed();
    instead.acquire = (request) => {
      delete instead.acquire;
      request.onRevoked!(0);
      return memory.acquire(request);
    };
    const lease = await locker.acquire('a');
    expect(lease.held).toBe(true);
    expect(await lease.release()).toBe(true);
    expect(await locker.inspect('a')).toBeNull();
  });

  test.each([0, 1, 2, 3, 4, 5, 6])(
    'a key that is taken away %i microtasks after the grant of the last is taken anew, or its holder is told',
    async (later) => {
      const { locker, instead, memory } = new Bed();
      const asked: AcquireRequest[] = [];
      instead.acquire = async (request) => {
        const grant = await memory.acquire(request);
        const revoke = (left: number): void => {
          if (left === 0) asked[0]!.onRevoked!(0);
          else queueMicrotask(() => revoke(left - 1));
        };
        if (asked.push(request) === 2) revoke(later);
        return grant;
      };
      const lease = await locker.acquire(['a', 'b']);
      await turn();
      expect(asked.length).toBe(lease.held ? 4 : 2);
      expect(lease.signal.aborted).toBe(!lease.held);
    },
  );

  test('one fault in prolonging them at the end costs its own time, and not the wait', async () => {
    const { locker, clock, instead, memory } = new Bed();
    const held = await locker.acquire('b', { ttl: '1h' });
    const both = watch(locker.acquire(['a', 'b'], { ttl: '5s', wait: '20s' }));
    await clock.advance(1_000);
    let faults = 2;
    instead.extend = (grant, ttl) => (faults-- > 0 ? down() : memory.extend(grant, ttl));
    await held.release();
    await clock.advance(0);
    expect(both.state).toBe('pending');
    await clock.advance(499);
    expect(both.state).toBe('pending');
    await clock.advance(501);
    expect(both.value!.held).toBe(true);
    expect(both.value!.ttl()).toBeGreaterThan(4_000);
    expect(both.value!.ttl()).toBeLessThanOrEqual(5_000);
  });

  test('where they cannot be prolonged within the wait, the lease has what is left', async () => {
    const { locker, clock, instead } = new Bed();
    const held = await locker.acquire('b', { ttl: '1h' });
    const both = watch(locker.acquire(['a', 'b'], { ttl: '5s', wait: '2s' }));
    await clock.advance(1_000);
    instead.extend = down;
    await held.release();
    await clock.advance(999);
    expect(both.state).toBe('pending');
    await clock.advance(1);
    expect(both.value!.ttl()).toBe(3_000);
  });

  test('a backend that fails while more are awaited fails the call', async () => {
    const { locker, clock, instead } = new Bed();
    const held = await locker.acquire('a', { ttl: '1h' });
    const both = watch(locker.acquire(['a', 'b']));
    await clock.advance(100);
    instead.acquire = down;
    await held.release();
    await clock.advance(0);
    expect(both.error).toBeInstanceOf(LockBackendError);
    expect(await locker.inspect('a')).toBeNull();
  });
});

describe('a driver that is still being made', () => {
  function slow() {
    const clock = new FakeClock();
    const made = deferred<LockDriver>();
    const registry = new LockRegistry({ clock }).registerDriver('memory', () => made.promise);
    return { clock, made, registry, locker: registry.mustOf() };
  }

  test('is awaited within the wait, and not longer', async () => {
    const { clock, locker } = slow();
    const asked = watch(locker.acquire('a', { wait: 1_500 }));
    const tried = watch(locker.tryAcquire('a'));
    await clock.advance(999);
    expect(tried.state).toBe('pending');
    await clock.advance(1);
    expect(tried.error).toBeInstanceOf(LockBackendError);
    await clock.advance(499);
    expect(asked.state).toBe('pending');
    await clock.advance(1);
    expect(asked.error).toBeInstanceOf(LockBackendError);
    expect((asked.error as Error).message).toContain('1500 ms');
  });

  test('is asked for once, though it was made after the wait', async () => {
    const { clock, locker, made } = slow();
    const asked = watch(locker.acquire('a', { wait: 50 }));
    await clock.advance(990);
    expect(asked.state).toBe('pending');
    made.resolve(memoryDriver({ clock }));
    await clock.advance(0);
    expect(asked.value).toMatchObject({ key: 'a', held: true });
  });

  test('takes its time off the wait', async () => {
    const { clock, locker, made } = slow();
    const driver = memoryDriver({ clock });
    await driver.acquire({
      key: 'lock:{a}',
      token: 't',
      mode: 'write',
      ttl: 60_000,
      wait: 0,
      retryInterval: 1,
      meta: {},
    });
    const asked = watch(locker.acquire('a', { wait: 1_500 }));
    await clock.advance(1_000);
    made.resolve(driver);
    await clock.advance(499);
    expect(asked.state).toBe('pending');
    await clock.advance(1);
    expect(asked.error).toBeInstanceOf(LockTimeoutError);
  });

  test('keeps nobody who aborts, nor the end of the registry', async () => {
    const { clock, locker, registry } = slow();
    const stop = new AbortController();
    const aborted = watch(locker.acquire('a', { signal: stop.signal }));
    const closed = watch(locker.acquire('a'));
    await clock.advance(0);
    stop.abort('enough');
    await clock.advance(0);
    expect(aborted.error).toBe('enough');
    watch(registry.close());
    await clock.advance(0);
    expect(closed.error).toBeInstanceOf(LockClosedError);
  });
});

test('what a driver throws is an outage, also where a single try was given a retry strategy', async () => {
  const { locker, instead } = new Bed();
  const socket = new Error('socket hang up');
  instead.acquire = () => Promise.reject(socket);
  for (const wait of [0, 500]) {
    const asked = locker.tryAcquire('a', { wait, retry: [0] });
    await expect(asked).rejects.toBeInstanceOf(LockBackendError);
    await expect(asked).rejects.toMatchObject({ cause: socket });
  }
});

test('what a retry strategy throws is its user’s own', async () => {
  const { locker } = new Bed();
  const error = new TypeError('mine');
  const broken = {
    *[Symbol.iterator]() {
      yield 0;
      throw error;
    },
  };
  await locker.acquire('a');
  await expect(locker.acquire('a', { retry: broken })).rejects.toBe(error);
  await expect(locker.acquire('a', { retry: [0, 0] })).rejects.toBeInstanceOf(LockNotObtainedError);
});
