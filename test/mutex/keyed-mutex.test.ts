import { getEventListeners } from 'node:events';
import { describe, expect, test } from '@jest/globals';
import { LockNotHeldError, LockTimeoutError } from '../../src/core/errors.js';
import { retry } from '../../src/core/retry.js';
import { KeyedMutex, mutex } from '../../src/mutex/keyed-mutex.js';
import { KeyedSemaphore } from '../../src/mutex/keyed-semaphore.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { deferred } from '../support/wait.js';

/** Resolves when every promise continuation that can run has run. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('lock and unlock', () => {
  test('ten who ask for one key enter in the order of asking', async () => {
    const locks = new KeyedMutex<string>();
    const entered: number[] = [];
    const jobs = Array.from({ length: 10 }, async (_, n) => {
      await locks.lock('k');
      entered.push(n);
      await settled();
      locks.unlock('k');
    });
    await Promise.all(jobs);
    expect(entered).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(locks.size).toBe(0);
  });

  test('keys do not wait for each other, and 123 is not "123"', async () => {
    const locks = new KeyedMutex();
    const object = {};
    for (const key of [123, '123', object, {}, null, undefined, Number.NaN, Symbol.iterator])
      await locks.lock(key);
    expect(locks.size).toBe(8);
    expect(locks.isLocked(object)).toBe(true);
    expect(locks.isLocked({})).toBe(false);
    expect(locks.tryLock(Number.NaN)).toBe(false);
  });

  test('a newcomer does not get in before who already waits', async () => {
    const locks = new KeyedMutex<string>();
    const entered: string[] = [];
    await locks.lock('k');
    const b = locks.lock('k').then(() => entered.push('b'));
    locks.unlock('k');
    expect(locks.tryLock('k')).toBe(false);
    const c = locks.lock('k').then(() => entered.push('c'));
    await b;
    await settled();
    expect(entered).toEqual(['b']);
    locks.unlock('k');
    await c;
    locks.unlock('k');
    expect(locks.size).toBe(0);
  });

  test('unlocking what is not locked is a LockNotHeldError, and changes nothing', async () => {
    const locks = new KeyedMutex<string>();
    expect(() => locks.unlock('k')).toThrow(LockNotHeldError);
    expect(() => locks.rUnlock('k')).toThrow(LockNotHeldError);
    await locks.lock('k');
    expect(() => locks.rUnlock('k')).toThrow(LockNotHeldError);
    locks.unlock('k');
    expect(() => locks.unlock('k')).toThrow('lock: not held: "k"');
    await locks.rLock('k');
    expect(() => locks.unlock('k')).toThrow(LockNotHeldError);
    locks.rUnlock('k');
    expect(() => locks.rUnlock('k')).toThrow(LockNotHeldError);
    expect(locks.size).toBe(0);
  });
});

describe('tryLock', () => {
  test('of ten at once one is true', () => {
    const locks = new KeyedMutex<string>();
    expect(Array.from({ length: 10 }, () => locks.tryLock('k')).filter(Boolean)).toHaveLength(1);
    locks.unlock('k');
    expect(locks.tryLock('k')).toBe(true);
  });

  test('that fails leaves nothing behind', () => {
    const locks = new KeyedMutex<string>();
    locks.tryLock('k');
    expect(locks.tryLock('k')).toBe(false);
    locks.unlock('k');
    expect(locks.size).toBe(0);
  });

  test('held 300 ms: a try at 150 ms fails, one at 400 ms succeeds', async () => {
    const clock = new FakeClock();
    const locks = new KeyedMutex<string>({ clock });
    await locks.lock('k');
    clock.after(300, () => locks.unlock('k'));
    await clock.advance(150);
    expect(locks.tryLock('k')).toBe(false);
    await clock.advance(250);
    expect(locks.tryLock('k')).toBe(true);
  });
});

describe('readers', () => {
  test('share the key; a writer waits for the last of them', async () => {
    const locks = new KeyedMutex<string>();
    await Promise.all([locks.rLock('k'), locks.rLock('k')]);
    expect(locks.tryRLock('k')).toBe(true);
    expect(locks.tryLock('k')).toBe(false);
    let entered = false;
    const writer = locks.lock('k').then(() => {
      entered = true;
    });
    for (let left = 3; left > 0; left--) {
      await settled();
      expect(entered).toBe(false);
      locks.rUnlock('k');
    }
    await writer;
  });

  test('that come after a waiting writer wait for it, and enter together', async () => {
    const locks = new KeyedMutex<string>();
    const entered: string[] = [];
    const enter = (name: string) => () => entered.push(name);
    await locks.rLock('k');
    void locks.lock('k').then(enter('writer'));
    void locks.rLock('k').then(enter('reader 1'));
    void locks.rLock('k').then(enter('reader 2'));
    void locks.lock('k').then(enter('writer 2'));
    void locks.rLock('k').then(enter('reader 3'));
    expect(locks.tryRLock('k')).toBe(false);
    expect(locks.waiting('k')).toBe(5);
    await settled();
    expect(entered).toEqual([]);
    locks.rUnlock('k');
    await settled();
    expect(entered).toEqual(['writer']);
    locks.unlock('k');
    await settled();
    expect(entered).toEqual(['writer', 'reader 1', 'reader 2']);
    locks.rUnlock('k');
    locks.rUnlock('k');
    await settled();
    expect(entered.at(-1)).toBe('writer 2');
    locks.unlock('k');
    await settled();
    expect(entered.at(-1)).toBe('reader 3');
    locks.rUnlock('k');
    expect(locks.size).toBe(0);
  });

  test('a writer holds 300 ms, two readers ask at 100 ms: none in at 200 ms, both at 400 ms', async () => {
    const clock = new FakeClock();
    const locks = new KeyedMutex<string>({ clock });
    let inside = 0;
    const read = () => locks.rLock('k').then(() => inside++);
    await locks.lock('k');
    clock.after(300, () => locks.unlock('k'));
    clock.after(100, () => void Promise.all([read(), read()]));
    await clock.advance(200);
    expect(inside).toBe(0);
    await clock.advance(200);
    expect(inside).toBe(2);
  });

  test.each(['aborts', 'times out'])(
    'a writer that %s at the head lets the readers behind it in at once',
    async (how) => {
      const clock = new FakeClock();
      const locks = new KeyedMutex<string>({ clock });
      const stop = new AbortController();
      let inside = 0;
      await locks.rLock('k');
      const writer = locks.lock('k', how === 'aborts' ? { signal: stop.signal } : { wait: 100 });
      writer.catch(() => {});
      void locks.rLock('k').then(() => inside++);
      void locks.rLock('k').then(() => inside++);
      if (how === 'aborts') stop.abort(new Error('enough'));
      else await clock.advance(100);
      await settled();
      expect(inside).toBe(2);
      await expect(writer).rejects.toBeInstanceOf(how === 'aborts' ? Error : LockTimeoutError);
      expect(locks.waiting('k')).toBe(0);
    },
  );
});

describe('the function forms', () => {
  test('give back what the function gives, and free the key', async () => {
    const locks = new KeyedMutex<string>();
    expect(await locks.lockFunc('k', () => 1)).toBe(1);
    expect(await locks.rLockFunc('k', async () => 2)).toBe(2);
    expect(await locks.tryLockFunc('k', () => 3)).toBe(true);
    expect(await locks.tryRLockFunc('k', async () => 4)).toBe(true);
    expect(locks.size).toBe(0);
  });

  test.each(['lockFunc', 'rLockFunc', 'tryLockFunc', 'tryRLockFunc'] as const)(
    '%s frees the key when the function throws, and lets its error through',
    async (form) => {
      const locks = new KeyedMutex<string>();
      const error = new Error('mine');
      const thrower = () => {
        throw error;
      };
      await expect(locks[form]('k', thrower)).rejects.toBe(error);
      await expect(locks[form]('k', () => Promise.reject(error))).rejects.toBe(error);
      expect(locks.size).toBe(0);
    },
  );

  test('the try forms do not run the function while the key is held', async () => {
    const locks = new KeyedMutex<string>();
    let runs = 0;
    const run = () => runs++;
    await locks.lock('k');
    expect(await locks.tryLockFunc('k', run)).toBe(false);
    expect(await locks.tryRLockFunc('k', run)).toBe(false);
    locks.unlock('k');
    await locks.rLock('k');
    expect(await locks.tryLockFunc('k', run)).toBe(false);
    expect(await locks.tryRLockFunc('k', run)).toBe(true);
    expect(runs).toBe(1);
  });

  test('hold the key until the promise of the function settles', async () => {
    const locks = new KeyedMutex<string>();
    const end = deferred();
    const running = locks.lockFunc('k', () => end.promise);
    await settled();
    expect(locks.tryLock('k')).toBe(false);
    end.resolve();
    await running;
    expect(locks.tryLock('k')).toBe(true);
  });
});

describe('waiting', () => {
  test('is unlimited unless said otherwise; 30 ms on a held key is a time-out', async () => {
    const clock = new FakeClock();
    const locks = new KeyedMutex<string>({ clock });
    await locks.lock('k');
    const patient = locks.lock('k');
    const error = expect(locks.lock('k', { wait: 30 })).rejects.toMatchObject({
      code: 'LOCK_TIMEOUT',
      key: 'k',
    });
    await clock.advance(30);
    await error;
    await clock.advance(1e9);
    locks.unlock('k');
    await patient;
    expect(clock.pending).toBe(0);
  });

  test('of 0 tries once, and the clock need not move', async () => {
    const locks = new KeyedMutex<string>({ clock: new FakeClock() });
    await locks.lock('k', { wait: 0 });
    await expect(locks.lock('k', { wait: 0 })).rejects.toThrow(
      'lock: not obtained: "k" is held, and wait is 0',
    );
    await expect(locks.rLockFunc('k', () => 1, { wait: '0s' })).rejects.toBeInstanceOf(LockTimeoutError);
    expect(locks.waiting('k')).toBe(0);
  });

  test('takes no option that it does not know, and says which was meant', async () => {
    const locks = new KeyedMutex<string>();
    const options = { wiat: 5 } as never;
    for (const refused of [
      () => locks.lock('k', options),
      () => locks.rLockFunc('k', () => 1, options),
      () => locks.tryLockWithRetry('k', [0], options),
      () => new KeyedSemaphore<string>(2).lock('k', options),
    ]) {
      await expect(refused()).rejects.toMatchObject({
        code: 'LOCK_USAGE',
        option: 'wiat',
        message: expect.stringContaining('did you mean `wait`?'),
      });
    }
    expect(locks.size).toBe(0);
  });

  test('ends with the signal’s reason, not with a time-out', async () => {
    const clock = new FakeClock();
    const locks = new KeyedMutex<string>({ clock });
    const stop = new AbortController();
    const reason = new Error('enough');
    await locks.lock('k');
    const waits = [
      locks.lock('k', { wait: 100, signal: stop.signal }),
      locks.rLockFunc('k', () => {}, { wait: 'forever', signal: stop.signal }),
    ];
    const rejected = Promise.all(waits.map((wait) => expect(wait).rejects.toBe(reason)));
    await clock.advance(50);
    stop.abort(reason);
    await rejected;
    expect(clock.pending).toBe(0);
    locks.unlock('k');
    await expect(locks.lock('k', { signal: stop.signal })).rejects.toBe(reason);
    expect(locks.size).toBe(0);
  });

  test('one signal shared by a writer and the readers behind it lets none of them in', async () => {
    const locks = new KeyedMutex<string>();
    const { signal, abort } = shared();
    await locks.rLock('k');
    const waits = [locks.lock('k', { signal }), locks.rLock('k', { signal }), locks.rLock('k', { signal })];
    const outsider = locks.rLock('k');
    abort();
    const results = await Promise.allSettled(waits);
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    await outsider;
    locks.rUnlock('k');
    locks.rUnlock('k');
    expect(locks.size).toBe(0);
  });

  test('who unlocks because a signal aborted lets in nobody who waits with it', async () => {
    const locks = new KeyedMutex();
    const { signal, abort } = shared();
    await locks.lock('k');
    signal.addEventListener('abort', () => locks.unlock('k'));
    const waits = [locks.lock('k', { signal }), locks.rLock('k', { signal })];
    const last = locks.lock('k');
    abort();
    for (const wait of waits) await expect(wait).rejects.toBe(signal.reason);
    await last;
    locks.unlock('k');
    expect(locks.size).toBe(0);
  });

  test('an abort after entering changes nothing', async () => {
    const locks = new KeyedMutex<string>();
    const { signal, abort } = shared();
    await locks.lock('k');
    const next = locks.lock('k', { signal, wait: 1_000 });
    locks.unlock('k');
    abort();
    await next;
    expect(locks.isLocked('k')).toBe(true);
  });
});

describe('tryLockWithRetry', () => {
  test('tries as often as the strategy says', async () => {
    const clock = new FakeClock();
    const locks = new KeyedMutex<string>({ clock });
    await locks.lock('k');
    let answer: boolean | undefined;
    const ask = (strategy: Iterable<number>) => {
      void locks.tryLockWithRetry('k', strategy).then((locked) => {
        answer = locked;
      });
    };
    ask([0, 10, 10]);
    await clock.advance(19);
    expect(answer).toBe(undefined);
    await clock.advance(1);
    expect(answer).toBe(false);
    ask(retry.linear(10));
    await clock.advance(100);
    locks.unlock('k');
    await clock.advance(10);
    expect(answer).toBe(true);
  });

  test.each([
    ['linear(0)', retry.linear(0)],
    ['exponential(0, 0)', retry.exponential(0, 0)],
    ['an array of zeros', Array(1_000_000).fill(0)],
  ])('with %s lets the event loop turn: whoever holds the key can free it', async (_, strategy) => {
    const locks = new KeyedMutex<string>();
    await locks.lock('k');
    // An endless loop would keep jest's own time-out from coming.
    const bounded = retry.limit(strategy, 2_000_000);
    setTimeout(() => locks.unlock('k'), 30);
    expect(await locks.tryLockWithRetry('k', bounded)).toBe(true);
    expect(await locks.tryLockWithRetry('k', bounded, { wait: 30 })).toBe(false);
    const stop = new AbortController();
    setTimeout(() => stop.abort('enough'), 20);
    await expect(locks.tryLockWithRetry('k', bounded, { signal: stop.signal })).rejects.toBe('enough');
    expect([locks.waiting('k'), locks.size]).toEqual([0, 1]);
  });

  test('ends with wait, which is a hard limit, and with the signal', async () => {
    const clock = new FakeClock();
    const locks = new KeyedMutex<string>({ clock });
    await locks.lock('k');
    const said: unknown[] = [];
    const stop = new AbortController();
    const ask = (options: { wait?: number; signal?: AbortSignal }) => {
      void locks.tryLockWithRetry('k', retry.linear(100), options).then(
        (locked) => said.push(locked),
        (reason) => said.push(reason),
      );
    };
    ask({ wait: 250 });
    ask({ signal: stop.signal });
    await clock.advance(249);
    expect(said).toEqual([]);
    await clock.advance(1);
    expect(said).toEqual([false]);
    stop.abort('enough');
    await clock.advance(0);
    expect(said).toEqual([false, 'enough']);
    expect(clock.pending).toBe(0);
    ask({ wait: 0 });
    for (let turn = 0; turn < 3; turn++) await clock.advance(0);
    expect(said).toEqual([false, 'enough', false]);
  });

  test.each([
    ['wait', { wait: 'infinite' }],
    ['signal', { signal: {} }],
    ['options', null],
    ['options', 5],
  ])('refuses a wrong %s, and tries nothing: %p', async (option, options) => {
    const locks = new KeyedMutex<string>();
    const refused = { code: 'LOCK_USAGE', option };
    await expect(locks.tryLockWithRetry('k', [0], options as never)).rejects.toMatchObject(refused);
    await expect(locks.tryLockWithRetry('k', 5 as never)).rejects.toMatchObject({ option: 'retry' });
    expect(locks.size).toBe(0);
  });

  test('with maxRetry 0 is false without a try, even on a free key', async () => {
    const locks = new KeyedMutex<string>();
    expect(await locks.tryLockWithRetry('k', retry.backoff({ maxRetry: 0 }))).toBe(false);
    expect(await locks.tryLockWithRetry('k', [])).toBe(false);
    expect(await locks.tryLockWithRetry('k', retry.backoff({ maxRetry: 1 }))).toBe(true);
  });

  test('with mapmutex’s defaults gives up after about 4 s', async () => {
    const clock = new FakeClock();
    const locks = new KeyedMutex<string>({ clock });
    await locks.lock('k');
    let answer: boolean | undefined;
    void locks.tryLockWithRetry('k', retry.backoff()).then((locked) => {
      answer = locked;
    });
    for (let turn = 0; turn < 10_000 && answer === undefined; turn++) await clock.advance(1);
    expect(answer).toBe(false);
    expect(clock.now()).toBeGreaterThan(3_000);
    expect(clock.now()).toBeLessThan(5_500);
  });
});

describe('remove and clear', () => {
  test('on a held key with a waiter harm nobody', async () => {
    const locks = new KeyedMutex<string>();
    await locks.lock('k');
    const waiter = locks.lock('k');
    expect(locks.remove('k')).toBe(false);
    locks.clear();
    expect(locks.tryLock('k')).toBe(false);
    locks.unlock('k');
    await waiter;
    expect(locks.tryLock('k')).toBe(false);
    locks.unlock('k');
    expect(locks.remove('k')).toBe(true);
    expect(locks.remove('never seen')).toBe(true);
  });
});

describe('load', () => {
  test('1,000 jobs on 2 keys with 40 workers: 1,000 successes', async () => {
    const locks = new KeyedMutex<number>();
    const counters = [0, 0];
    let left = 1_000;
    const worker = async () => {
      while (left > 0) {
        const key = left-- % 2;
        await locks.lockFunc(key, async () => {
          const before = counters[key]!;
          await settled();
          counters[key] = before + 1;
        });
      }
    };
    await Promise.all(Array.from({ length: 40 }, worker));
    expect(counters).toEqual([500, 500]);
    expect(locks.size).toBe(0);
  });

  test('1,000 lockers of one key all finish; 100 writers and 100 readers too', async () => {
    const locks = new KeyedMutex<string>();
    let done = 0;
    const job = (form: 'lockFunc' | 'rLockFunc', key: string) =>
      locks[form](key, async () => {
        await settled();
        done++;
      });
    await Promise.all([
      ...Array.from({ length: 1_000 }, () => job('lockFunc', 'a')),
      ...Array.from({ length: 200 }, (_, n) => job(n % 2 ? 'lockFunc' : 'rLockFunc', 'b')),
    ]);
    expect(done).toBe(1_200);
    expect(locks.size).toBe(0);
  });
});

test('ten thousand calls leave no listener on a signal that they share, and it disturbs nobody later', async () => {
  const locks = new KeyedMutex<string>();
  const { signal, abort } = shared();
  await Promise.all(
    Array.from({ length: 10_000 }, async (_, n) => {
      const form = n % 3 ? 'lockFunc' : 'rLockFunc';
      await locks[form]('k', () => {}, { signal, wait: '1h' });
    }),
  );
  for (let n = 0; n < 100; n++) await locks.tryLockWithRetry('k', [0, 1], { signal });
  expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  const last = locks.lock('k');
  abort();
  expect([locks.waiting('k'), locks.size]).toEqual([1, 1]);
  locks.unlock('k');
  await last;
});

test('there is one mutex for the whole module', () => {
  expect(mutex).toBeInstanceOf(KeyedMutex);
  expect(mutex.size).toBe(0);
});

function shared() {
  const stop = new AbortController();
  return { signal: stop.signal, abort: () => stop.abort(new Error('enough')) };
}
