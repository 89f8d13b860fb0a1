import { describe, expect, test } from '@jest/globals';
import { LockNotObtainedError, LockTimeoutError } from '../../src/core/errors.js';
import { type RetryStrategy, retry } from '../../src/core/retry.js';
import { queuedDriver } from '../../src/engine/queued-driver.js';
import { LockRegistry } from '../../src/registry.js';
import { FakeClock, ModelServer } from '../../src/testing/index.js';
import { Bed, watch } from '../support/bed.js';
import { stopwatch } from '../support/wait.js';

test('tries as the strategy says, and ends in LockNotObtainedError', async () => {
  const bed = new Bed();
  const { locker, clock } = bed;
  await locker.acquire('a', { ttl: '1h' });
  const options = { retry: retry.limit(retry.linear(100), 2) };
  for (let use = 1; use <= 2; use++) {
    const asked = watch(locker.acquire('a', options));
    await clock.advance(199);
    expect(asked.state).toBe('pending');
    await clock.advance(1);
    expect(asked.error).toBeInstanceOf(LockNotObtainedError);
    expect(asked.error).not.toBeInstanceOf(LockTimeoutError);
    expect(bed.count('acquire')).toBe(1 + 3 * use);
  }
});

test('gives the lease at the first try that succeeds', async () => {
  const { locker, clock } = new Bed();
  const first = await locker.acquire('a');
  const asked = watch(locker.acquire('a', { retry: [0, 100, 100, 100] }));
  clock.after(150, () => void first.release());
  await clock.advance(199);
  expect(asked.state).toBe('pending');
  await clock.advance(1);
  expect(asked.state).toBe('fulfilled');
});

describe('a try whose connection was lost', () => {
  /** A caller with `retry` whose first claim is lost while another caller holds the key. */
  async function lostTry(retrying: RetryStrategy, runLate?: number) {
    const clock = new FakeClock(1_000);
    const server = new ModelServer({ clock });
    const lockers = ['a', 'b'].map(() => {
      const store = server.connect({ link: { latency: () => 10 } });
      const registry = new LockRegistry({ clock });
      registry.registerDriver('model', () => queuedDriver(store, { clock, random: Math.random }));
      return { store, locker: registry.registerLocker('model', { driver: 'model' }).mustOf('model') };
    });
    const [a, b] = [lockers[0]!, lockers[1]!];
    const held = a.locker.acquire('k', { ttl: '1h' });
    void b.locker.inspect('k');
    await clock.advance(100);
    const stop = new AbortController();
    const asked = watch(b.locker.acquire('k', { retry: retrying, signal: stop.signal }));
    await clock.advance(5);
    b.store.cut({ reconnect: 10, ...(runLate !== undefined && { runLate }) });
    await clock.advance(320);
    return { clock, asked, stop, held: await held, inspect: () => watch(a.locker.inspect('k')) };
  }

  test('is not told of contention later, once the key is free', async () => {
    const { clock, asked, held } = await lostTry(retry.linear(100));
    void held.release();
    await clock.advance(200);
    expect(asked.state).toBe('fulfilled');
  });

  test.each([
    ['the last try', retry.limit(retry.linear(100), 2)],
    ['an abort between two tries', retry.linear(100)],
  ])('leaves nothing behind after %s, though its claim comes late', async (_, retrying) => {
    const { clock, asked, stop, held, inspect } = await lostTry(retrying, 2_000);
    stop.abort('enough');
    await clock.advance(50);
    expect(asked.state).toBe('rejected');
    void held.release();
    await clock.advance(5_000);
    const info = inspect();
    await clock.advance(50);
    expect([info.state, info.value]).toEqual(['fulfilled', null]);
  });
});

test('ends with wait, which is a hard limit', async () => {
  const { locker, clock } = new Bed();
  await locker.acquire('a', { ttl: '1h' });
  const asked = watch(locker.acquire('a', { retry: retry.linear(100), wait: 250 }));
  await clock.advance(249);
  expect(asked.state).toBe('pending');
  await clock.advance(1);
  expect(asked.error).toBeInstanceOf(LockTimeoutError);
});

test('ends with the signal, also between two tries', async () => {
  const { locker, clock } = new Bed();
  await locker.acquire('a');
  const stop = new AbortController();
  const asked = watch(locker.acquire('a', { retry: retry.linear('1s'), signal: stop.signal }));
  await clock.advance(500);
  stop.abort('enough');
  await clock.advance(0);
  expect(asked.error).toBe('enough');
});

test('makes tryAcquire and tryWith try more than once', async () => {
  const { locker, clock } = new Bed();
  await locker.acquire('a', { ttl: 50 });
  const tried = watch(locker.tryAcquire('a', { retry: [0, 100], ttl: 50 }));
  const ran = watch(locker.tryWith('a', () => 1, { retry: [0, 200] }));
  const gaveUp = watch(locker.tryWith('a', () => 1, { retry: [0, 10] }));
  await clock.advance(10);
  expect(gaveUp.value).toEqual({ acquired: false });
  await clock.advance(90);
  expect(tried.value).toMatchObject({ key: 'a' });
  await clock.advance(100);
  expect(ran.value).toEqual({ acquired: true, value: 1 });
});

test('an empty strategy never tries', async () => {
  const { locker } = new Bed();
  expect(await locker.tryAcquire('a', { retry: [] })).toBeNull();
  await expect(locker.acquire('a', { retry: [] })).rejects.toBeInstanceOf(LockNotObtainedError);
});

describe('a strategy without delays', () => {
  const STRATEGIES = {
    linear: retry.linear(0),
    exponential: retry.exponential(0, 0),
    // More than a fast machine tries until then.
    'an array': Array<number>(2_000_000).fill(0),
  };

  test.each(Object.entries(STRATEGIES))(
    'lets the event loop turn, and ends with wait: %s',
    async (_, strategy) => {
      const locker = new LockRegistry().mustOf();
      await locker.acquire('a');
      let turns = 0;
      const turning = setInterval(() => turns++, 1);
      const started = performance.now();
      const run = stopwatch();
      await expect(locker.acquire('a', { wait: 600, retry: strategy })).rejects.toBeInstanceOf(
        LockTimeoutError,
      );
      clearInterval(turning);
      expect(performance.now() - started).toBeGreaterThan(595);
      expect(run.stop()).toBeLessThan(1_500);
      expect(turns).toBeGreaterThan(5);
    },
  );

  test('gets the key when somebody’s timer frees it', async () => {
    const locker = new LockRegistry().mustOf();
    const held = await locker.acquire('a');
    setTimeout(() => void held.release(), 50);
    const lease = await locker.acquire('a', { retry: retry.linear(0), wait: '10s' });
    expect(lease.held).toBe(true);
  });

  test('ends with the signal', async () => {
    const locker = new LockRegistry().mustOf();
    await locker.acquire('a');
    const stop = new AbortController();
    setTimeout(() => stop.abort('enough'), 50);
    await expect(
      locker.acquire('a', { retry: retry.linear(0), wait: 'forever', signal: stop.signal }),
    ).rejects.toBe('enough');
  });
});

test('a slow backend does not stretch the wait: the limit is looked at before each try', async () => {
  const { locker, clock, instead, calls } = new Bed();
  instead.acquire = async () => {
    clock.jump(50);
    return null;
  };
  const asked = watch(locker.acquire('a', { wait: 500, retry: Array(100).fill(0) }));
  while (asked.state === 'pending') await new Promise(setImmediate);
  expect(asked.error).toBeInstanceOf(LockTimeoutError);
  expect(calls).toHaveLength(10);
});
