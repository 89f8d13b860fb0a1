import { getEventListeners } from 'node:events';
import { expect, test } from '@jest/globals';
import { KeyedMutex } from '../../src/mutex/keyed-mutex.js';
import { FakeClock } from '../../src/testing/fake-clock.js';

test.each(['one signal', 'a signal each', 'a wait each'])(
  '100,000 who leave cost no more than their number: %s',
  async (how) => {
    const clock = new FakeClock();
    const locks = new KeyedMutex<string>(how === 'a wait each' ? {} : { clock });
    const one = new AbortController();
    await locks.lock('k');
    const stops: AbortController[] = [];
    const waits = Array.from({ length: 100_000 }, () => {
      if (how === 'a wait each') return locks.lock('k', { wait: 1 });
      const stop = how === 'one signal' ? one : new AbortController();
      stops.push(stop);
      return locks.lock('k', { signal: stop.signal });
    });
    const left = Promise.allSettled(waits);
    // More on one signal would make Node warn of a leak.
    for (const { signal } of stops.slice(0, 10)) expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    const started = process.cpuUsage();
    for (const stop of stops.reverse()) stop.abort();
    expect((await left).every(({ status }) => status === 'rejected')).toBe(true);
    // Processor time, for a busy machine adds none. One that looks through all who wait takes minutes.
    expect(process.cpuUsage(started).user / 1e3).toBeLessThan(10_000);
    expect(locks.waiting('k')).toBe(0);
  },
);

test('a million keys locked and unlocked take no memory afterwards', () => {
  const locks = new KeyedMutex<number>();
  for (let key = 0; key < 1_000_000; key++) locks.tryLock(key);
  expect(locks.size).toBe(1_000_000);
  for (let key = 0; key < 1_000_000; key++) locks.unlock(key);
  expect(locks.size).toBe(0);
});
