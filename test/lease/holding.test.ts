import { AsyncLocalStorage } from 'node:async_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from '@jest/globals';
import { LockDeadlockError } from '../../src/core/errors.js';
import { memoryDriver } from '../../src/drivers/memory.js';
import type { HeldLease } from '../../src/lease/held-lease.js';
import { currentLease, runHolding } from '../../src/lease/holding.js';
import type { Lease } from '../../src/lease/lease.js';
import type { Locker } from '../../src/lease/locker.js';
import { LockRegistry } from '../../src/registry.js';
import { Bed, watch } from '../support/bed.js';
import { deferred } from '../support/wait.js';

describe('work that begins itself again from inside its with', () => {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;

  test.each([
    ['when that has ended', false, false],
    ['before that has ended', true, false],
    ['before that has ended, after its lease was lost', true, true],
  ])('keeps no lease in memory, %s', async (_, before, lost) => {
    const { locker, clock } = new Bed();
    const leases: WeakRef<Lease>[] = [];
    const living = deferred<number>();
    const work = async (lease: Lease) => {
      leases.push(new WeakRef(lease));
      if (lost) await clock.advance(20);
      await new Promise(setImmediate);
      if (leases.length === 200) {
        gc();
        living.resolve(leases.filter((each) => each.deref()).length);
      } else if (before) begin();
      else setImmediate(begin);
      await new Promise(setImmediate);
    };
    const begin = () => {
      locker.with(`job ${leases.length}`, work, lost ? { maxHold: 10 } : {}).catch(() => {});
    };
    begin();
    expect(await living.promise).toBeLessThan(50);
  });

  test('finds a deadlock with those that hold still', async () => {
    const { locker } = new Bed();
    await locker.with('a', async () => {
      const inner = deferred<unknown>();
      await locker.with('b', () => void setImmediate(() => locker.with('c', begin).catch(inner.resolve)));
      const begin = () => locker.with('b', () => locker.with('a', () => 'never'));
      expect(await inner.promise).toMatchObject({ code: 'LOCK_DEADLOCK', key: 'a' });
    });
  });
});

test('any number of leases may be held inside one another', () => {
  const leases = Array.from({ length: 16_000 }, () => ({ held: true }) as HeldLease);
  let inside = <T>(fn: () => T) => fn();
  for (const lease of leases)
    inside = inside(() => runHolding(lease, {}, () => AsyncLocalStorage.snapshot()));
  expect(inside(currentLease)).toBe(leases.at(-1));
});

test('who is told of a loss is not in the with of somebody else', async () => {
  const locker = new LockRegistry().mustOf();
  const ends = deferred<void>();
  const other = locker.with('a', async () => {
    // The first timer of the registry's leases is set in here.
    await (await locker.acquire('b', { ttl: 100 })).release();
    await ends.promise;
  });
  const lease = await locker.acquire('c', { ttl: 200 });
  const told = deferred<unknown>();
  lease.signal.addEventListener('abort', () => told.resolve([currentLease(), locker.acquire('a')]));
  const [current, next] = (await told.promise) as [Lease | undefined, Promise<Lease>];
  expect(current).toBeUndefined();
  ends.resolve();
  expect(await (await next).release()).toBe(true);
  await other;
});

describe('a deadlock is found', () => {
  test('at once, when a with asks for the key it runs under; the error says where that was taken', async () => {
    const { locker } = new Bed();
    const running = locker.with('a', function outerJob() {
      return locker.with('a', () => 'never');
    });
    await expect(running).rejects.toMatchObject({ code: 'LOCK_DEADLOCK', key: 'a' });
    await expect(running).rejects.toThrow(/holding\.test/);
    expect(await locker.inspect('a')).toBeNull();
  });

  test('and the error shows the three lines nearest to where that was taken', async () => {
    const { locker } = new Bed();
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 50;
    const deep = (calls: number): Promise<string> =>
      calls > 0 ? deep(calls - 1) : locker.with('a', () => locker.with('a', () => 'never'));
    const running = watch(deep(10));
    await new Promise(setImmediate);
    const lines = (running.error as Error).message.split('\n').slice(1);
    expect(lines).toEqual(
      Array.from({ length: 3 }, () => expect.stringMatching(/^ *at deep .*holding\.test/)),
    );
    expect(Error.stackTraceLimit).toBe(50);
    Error.stackTraceLimit = stackTraceLimit;
  });

  test('however deep, over other keys, by acquire, by a handle, and by one of several keys', async () => {
    const { locker } = new Bed();
    await locker.with('a', () =>
      locker.with(['b', 'c'], async () => {
        await new Promise(setImmediate);
        await expect(locker.acquire('a')).rejects.toBeInstanceOf(LockDeadlockError);
        await expect(locker.acquire(['d', 'c'])).rejects.toBeInstanceOf(LockDeadlockError);
        await expect(locker.New('b').lock()).rejects.toBeInstanceOf(LockDeadlockError);
        await expect(locker.tryWith('a', () => 1, { wait: 10 })).rejects.toBeInstanceOf(LockDeadlockError);
      }),
    );
  });
});

describe('a deadlock over two lockers', () => {
  test('of one driver and one prefix is found, in either order', async () => {
    const { registry } = new Bed();
    const [a, b] = ['a', 'b'].map((name) => registry.registerLocker(name).mustOf(name)) as [Locker, Locker];
    for (const [outer, inner] of [
      [a, b],
      [b, a],
    ] as const) {
      const running = outer.with(['j', 'k'], () => inner.with('k', () => 'never'));
      await expect(running).rejects.toMatchObject({ code: 'LOCK_DEADLOCK', key: 'k' });
      await expect(running).rejects.toThrow(/holding\.test/);
    }
  });

  test('is none where the prefix differs, or the driver', async () => {
    const { registry, locker } = new Bed();
    registry.registerDriver('other', memoryDriver());
    const other = registry.registerLocker('driver', { driver: 'other' }).mustOf('driver');
    const prefixed = registry.registerLocker('prefix', { prefix: 'lock:x' }).mustOf('prefix');
    expect(await locker.with('k', () => other.with('k', () => prefixed.with('k', () => 7)))).toBe(7);
  });
});

describe('no deadlock is seen', () => {
  test('in trying once', async () => {
    const { locker } = new Bed();
    await locker.with('a', async () => {
      expect(await locker.tryAcquire('a')).toBeNull();
      expect(await locker.tryWith('a', () => 1)).toEqual({ acquired: false });
    });
  });

  test('in siblings of a Promise.all, which wait for each other in turn', async () => {
    const { locker } = new Bed();
    let inside = 0;
    let most = 0;
    const job = () =>
      locker.with('a', async () => {
        most = Math.max(most, ++inside);
        await new Promise(setImmediate);
        inside--;
      });
    await locker.with('outer', () => Promise.all([job(), job(), job()]));
    expect(most).toBe(1);
  });

  test('in other keys, in another locker, and after a release inside fn', async () => {
    const { locker, registry } = new Bed();
    const jobs = registry.registerLocker('jobs', { prefix: 'jobs:' }).mustOf('jobs');
    await locker.with('a', async (lease) => {
      await locker.with('b', () => jobs.with('a', () => 1));
      await lease.release();
      await locker.with('a', () => 1);
    });
  });

  test('after the with has ended, in work that it left behind', async () => {
    const { locker } = new Bed();
    const ended = deferred();
    let later: Promise<number> | undefined;
    await locker.with('a', () => {
      later = ended.promise.then(() => locker.with('a', () => 7));
    });
    ended.resolve();
    expect(await later).toBe(7);
  });

  test('once the lease is lost', async () => {
    const { locker, clock } = new Bed();
    const running = watch(
      locker.with(
        'a',
        async () => {
          clock.jump(60_000);
          return locker.with('a', () => 7);
        },
        { ttl: '1s' },
      ),
    );
    await clock.advance(0);
    expect(running.error).toMatchObject({ code: 'LOCK_LOST' });
  });
});

describe('currentLease', () => {
  test('is that of the innermost with, and none outside', async () => {
    const { locker } = new Bed();
    expect(currentLease()).toBeUndefined();
    await locker.with('a', async (outer) => {
      expect(currentLease()).toBe(outer);
      await locker.with('b', async (inner) => {
        await new Promise(setImmediate);
        expect(currentLease()).toBe(inner);
      });
      expect(currentLease()).toBe(outer);
    });
    expect(currentLease()).toBeUndefined();
  });

  test('is each one’s own in a Promise.all', async () => {
    const { locker } = new Bed();
    const keys = ['a', 'b', 'c'];
    const seen = await Promise.all(
      keys.map((key) =>
        locker.with(key, async () => {
          await new Promise(setImmediate);
          return currentLease()?.key;
        }),
      ),
    );
    expect(seen).toEqual(keys);
  });

  test('is there in tryWith too', async () => {
    const { locker } = new Bed();
    expect(await locker.tryWith('a', () => currentLease()?.key)).toEqual({ acquired: true, value: 'a' });
  });
});
