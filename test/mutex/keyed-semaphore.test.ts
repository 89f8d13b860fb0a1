import { getEventListeners } from 'node:events';
import { describe, expect, test } from '@jest/globals';
import { LockNotHeldError, LockTimeoutError, LockUsageError } from '../../src/core/errors.js';
import { retry } from '../../src/core/retry.js';
import { KeyedSemaphore } from '../../src/mutex/keyed-semaphore.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { usageOf } from '../support/usage.js';
import { deferred } from '../support/wait.js';

/** Resolves when every promise continuation that can run has run. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('permits', () => {
  test('at most the limit are inside at once, and all get their turn in the order of asking', async () => {
    const permits = new KeyedSemaphore<string>(3);
    const entered: number[] = [];
    let inside = 0;
    let most = 0;
    const jobs = Array.from({ length: 50 }, (_, n) =>
      permits.lockFunc('k', async () => {
        entered.push(n);
        most = Math.max(most, ++inside);
        await settled();
        inside--;
      }),
    );
    await Promise.all(jobs);
    expect(most).toBe(3);
    expect(entered).toEqual(Array.from({ length: 50 }, (_, n) => n));
    expect(permits.size).toBe(0);
  });

  test('keys do not wait for each other, and 123 is not "123"', () => {
    const permits = new KeyedSemaphore(1);
    for (const key of [123, '123', {}, null, Number.NaN]) expect(permits.tryLock(key)).toBe(true);
    expect(permits.tryLock(Number.NaN)).toBe(false);
    expect(permits.size).toBe(5);
  });

  test('a key is locked while any permit is taken, and has no memory of it after the last', async () => {
    const permits = new KeyedSemaphore<string>(2);
    const state = () => [permits.isLocked('k'), permits.waiting('k'), permits.size, permits.remove('k')];
    expect(state()).toEqual([false, 0, 0, true]);
    await permits.lock('k');
    expect(state()).toEqual([true, 0, 1, false]);
    await permits.lock('k');
    const third = permits.lock('k');
    expect(state()).toEqual([true, 1, 1, false]);
    permits.clear();
    permits.unlock('k');
    await third;
    expect(state()).toEqual([true, 0, 1, false]);
    permits.unlock('k');
    expect(state()).toEqual([true, 0, 1, false]);
    permits.unlock('k');
    expect(state()).toEqual([false, 0, 0, true]);
  });

  test('giving back one that is not taken is a LockNotHeldError, and changes nothing', async () => {
    const permits = new KeyedSemaphore<string>(2);
    expect(() => permits.unlock('k')).toThrow(LockNotHeldError);
    await permits.lock('k');
    permits.unlock('k');
    expect(() => permits.unlock('k')).toThrow('lock: not held: "k"');
    expect([permits.tryLock('k'), permits.tryLock('k'), permits.tryLock('k')]).toEqual([true, true, false]);
  });

  test('a newcomer does not get one before who already waits', async () => {
    const permits = new KeyedSemaphore<string>(2);
    const entered: string[] = [];
    await permits.lock('k');
    await permits.lock('k');
    const b = permits.lock('k').then(() => entered.push('b'));
    permits.unlock('k');
    expect(permits.tryLock('k')).toBe(false);
    const c = permits.lock('k').then(() => entered.push('c'));
    await b;
    await settled();
    expect(entered).toEqual(['b']);
    permits.unlock('k');
    await c;
  });

  test('of unlimited ones there are always more', () => {
    const permits = new KeyedSemaphore<string>(Infinity);
    for (let n = 0; n < 10_000; n++) permits.tryLock('k');
    expect(permits.tryLock('k')).toBe(true);
  });
});

describe('a limit by key', () => {
  test('is asked for with the key, at each call', async () => {
    const asked: string[] = [];
    const limits: Record<string, number> = { big: 3, small: 1 };
    const permits = new KeyedSemaphore<string>((key) => {
      asked.push(key);
      return limits[key]!;
    });
    expect([1, 2, 3, 4].map(() => permits.tryLock('big'))).toEqual([true, true, true, false]);
    expect([1, 2].map(() => permits.tryLock('small'))).toEqual([true, false]);
    limits.small = 2;
    expect([1, 2].map(() => permits.tryLock('small'))).toEqual([true, false]);
    expect(asked).toEqual(['big', 'big', 'big', 'big', 'small', 'small', 'small', 'small']);
  });

  test('that shrinks takes no permit away; whoever waits goes by the limit it came with', async () => {
    let limit = 3;
    const permits = new KeyedSemaphore<string>(() => limit);
    for (let n = 0; n < 3; n++) await permits.lock('k');
    const entered: string[] = [];
    const wait = (name: string, its: number) => {
      limit = its;
      void permits.lock('k').then(() => entered.push(name));
    };
    wait('one of 1', 1);
    wait('one of 5', 5);
    expect(permits.waiting('k')).toBe(2);
    permits.unlock('k');
    permits.unlock('k');
    await settled();
    // There is room for the second, but nobody overtakes.
    expect(entered).toEqual([]);
    permits.unlock('k');
    await settled();
    expect(entered).toEqual(['one of 1', 'one of 5']);
  });
});

describe('a wrong limit', () => {
  const BAD = [0, -1, 1.5, Number.NaN, -Infinity, '5', null, undefined, {}, 2n];

  test.each(BAD)('%p is refused at once', (limit) => {
    const error = usageOf(() => new KeyedSemaphore(limit as number));
    expect(error).toMatchObject({ option: 'limit', value: limit });
    expect(error.message).toContain('a whole number of at least 1');
  });

  test.each(BAD)('%p of a function is refused by each call, and nothing is taken', async (limit) => {
    const permits = new KeyedSemaphore<string>(() => limit as number);
    const never = () => {
      throw new Error('fn was run');
    };
    const bad = { code: 'LOCK_USAGE', option: 'limit', value: limit };
    await expect(permits.lock('k')).rejects.toMatchObject(bad);
    await expect(permits.lock('k', { wait: 5 })).rejects.toMatchObject(bad);
    await expect(permits.lockFunc('k', never)).rejects.toMatchObject(bad);
    await expect(permits.tryLockFunc('k', never)).rejects.toMatchObject(bad);
    await expect(permits.tryLockWithRetry('k', [0])).rejects.toMatchObject(bad);
    expect(usageOf(() => permits.tryLock('k'))).toMatchObject(bad);
    expect(permits.size).toBe(0);
  });

  test('what the function throws is what the call rejects with', async () => {
    const error = new Error('mine');
    const permits = new KeyedSemaphore<string>(() => {
      throw error;
    });
    await expect(permits.lock('k')).rejects.toBe(error);
    expect(() => permits.tryLock('k')).toThrow(error);
    expect(permits.size).toBe(0);
  });

  test('the other options are checked too', async () => {
    const permits = new KeyedSemaphore<string>(1);
    await expect(permits.lock('k', { wait: 'infinite' as never })).rejects.toThrow("'forever'");
    await expect(permits.lock('k', { signal: {} as never })).rejects.toBeInstanceOf(LockUsageError);
    await expect(permits.lockFunc('k', 5 as never)).rejects.toMatchObject({ option: 'fn' });
    await expect(permits.tryLockWithRetry('k', 5 as never)).rejects.toMatchObject({ option: 'retry' });
    expect(permits.size).toBe(0);
  });
});

describe('waiting', () => {
  test('ends with a time-out, neither early nor late, or with the signal’s reason', async () => {
    const clock = new FakeClock();
    const permits = new KeyedSemaphore<string>(1, { clock });
    await permits.lock('k');
    let late: unknown;
    permits.lock('k', { wait: 30 }).catch((error) => {
      late = error;
    });
    const stop = new AbortController();
    const aborted = expect(permits.lock('k', { signal: stop.signal })).rejects.toBe('enough');
    await clock.advance(29);
    expect(late).toBe(undefined);
    await clock.advance(1);
    expect(late).toBeInstanceOf(LockTimeoutError);
    expect(permits.waiting('k')).toBe(1);
    stop.abort('enough');
    await aborted;
    expect([permits.waiting('k'), clock.pending]).toEqual([0, 0]);
  });

  test('of one with a small limit, when it ends, lets in those behind it', async () => {
    let limit = 2;
    const clock = new FakeClock();
    const permits = new KeyedSemaphore<string>(() => limit, { clock });
    await permits.lock('k');
    limit = 1;
    const small = permits.lock('k', { wait: 10 });
    small.catch(() => {});
    limit = 2;
    let entered = false;
    void permits.lock('k').then(() => {
      entered = true;
    });
    await clock.advance(9);
    expect(entered).toBe(false);
    await clock.advance(1);
    expect(entered).toBe(true);
  });
});

describe('the function forms', () => {
  test('give back what the function gives, and the permit whatever it does', async () => {
    const permits = new KeyedSemaphore<string>(1);
    const error = new Error('mine');
    expect(await permits.lockFunc('k', () => 1)).toBe(1);
    expect(await permits.tryLockFunc('k', async () => 2)).toBe(true);
    for (const form of ['lockFunc', 'tryLockFunc'] as const) {
      await expect(permits[form]('k', () => Promise.reject(error))).rejects.toBe(error);
    }
    expect(permits.size).toBe(0);
  });

  test('hold the permit until the promise of the function settles', async () => {
    const permits = new KeyedSemaphore<string>(1);
    const end = deferred();
    const running = permits.lockFunc('k', () => end.promise);
    await settled();
    expect(permits.tryLock('k')).toBe(false);
    expect(await permits.tryLockFunc('k', () => {})).toBe(false);
    end.resolve();
    await running;
    expect(permits.tryLock('k')).toBe(true);
  });
});

test('tryLockWithRetry tries when the strategy says, and lets others run between', async () => {
  const permits = new KeyedSemaphore<string>(2);
  await permits.lock('k');
  await permits.lock('k');
  expect(await permits.tryLockWithRetry('k', [0, 0, 0])).toBe(false);
  expect(await permits.tryLockWithRetry('k', retry.linear(0), { wait: 20 })).toBe(false);
  setTimeout(() => permits.unlock('k'), 20);
  expect(await permits.tryLockWithRetry('k', retry.linear(0), { wait: '20s' })).toBe(true);
});

test('ten thousand calls leave no listener on a signal that they share, and it disturbs nobody later', async () => {
  const permits = new KeyedSemaphore<string>(2);
  const stop = new AbortController();
  // So that it is one queue all the time.
  await permits.lock('k');
  await Promise.all(
    Array.from({ length: 10_000 }, async () => {
      await permits.lock('k', { signal: stop.signal });
      permits.unlock('k');
    }),
  );
  expect(getEventListeners(stop.signal, 'abort')).toHaveLength(0);
  await permits.lock('k');
  const last = permits.lock('k');
  stop.abort();
  expect([permits.waiting('k'), permits.size]).toEqual([1, 1]);
  permits.unlock('k');
  await last;
});
