import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { sleep, systemClock } from '../../src/core/clock.js';
import { FakeClock } from '../../src/testing/fake-clock.js';

describe('the system clock', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  test('fires once, not early, and not when cancelled', () => {
    const [fn, never] = [jest.fn(), jest.fn()];
    systemClock.after(10, fn);
    systemClock.after(10, never).cancel();
    jest.advanceTimersByTime(9);
    expect(fn).not.toHaveBeenCalled();
    jest.advanceTimersByTime(1_000);
    expect(fn).toHaveBeenCalledTimes(1);
    expect(never).not.toHaveBeenCalled();
  });

  test('can wait longer than setTimeout can, which would fire at once', () => {
    const fn = jest.fn();
    const days = 24 * 3_600_000;
    systemClock.after(60 * days, fn);
    jest.advanceTimersByTime(60 * days - 1);
    expect(fn).not.toHaveBeenCalled();
    jest.advanceTimersByTime(1);
    expect(fn).toHaveBeenCalledTimes(1);
  });

  test.each([true, false])('a long timer keeps the process alive in every leg, or in none: %s', (alive) => {
    const spy = jest.spyOn(globalThis, 'setTimeout');
    const legs = () => spy.mock.results.map(({ value }) => (value as NodeJS.Timeout).hasRef());
    const timer = systemClock.after(2 ** 32, () => {});
    if (!alive) timer.keepAlive(false);
    jest.advanceTimersByTime(2 ** 31);
    expect(legs()).toEqual([alive, alive]);
    timer.keepAlive(!alive);
    expect(legs()).toEqual([alive, !alive]);
    spy.mockRestore();
  });

  test('a long timer can be cancelled after its first leg', () => {
    const fn = jest.fn();
    const timer = systemClock.after(2 ** 32, fn);
    jest.advanceTimersByTime(2 ** 31);
    timer.cancel();
    expect(jest.getTimerCount()).toBe(0);
    jest.advanceTimersByTime(2 ** 32);
    expect(fn).not.toHaveBeenCalled();
  });
});

test('a timer keeps the process alive until told not to', () => {
  const timer = systemClock.after(100, () => {});
  const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  const alive = timers();
  timer.keepAlive(false);
  expect(timers()).toBe(alive - 1);
  timer.keepAlive(true);
  expect(timers()).toBe(alive);
  timer.cancel();
});

test('sleep ends with the clock, or rejects with the signal’s reason and leaves no timer', async () => {
  const clock = new FakeClock();
  const slept = sleep(50, clock);
  await clock.advance(50);
  await slept;

  const stop = new AbortController();
  const rejected = expect(sleep(50, clock, stop.signal)).rejects.toBe('enough');
  stop.abort('enough');
  await rejected;
  expect(clock.pending).toBe(0);
  await expect(sleep(50, clock, stop.signal)).rejects.toBe('enough');
  expect(clock.pending).toBe(0);
});

test.each([0, 0.5, 0.999])('sleep of %d ms sets no timer, and lets other things run', async (ms) => {
  const clock = new FakeClock();
  let ran = false;
  setImmediate(() => {
    ran = true;
  });
  await sleep(ms, clock);
  expect(ran).toBe(true);
  expect(clock.now()).toBe(0);
});

test('sleep of 1 ms is by the clock', async () => {
  const clock = new FakeClock();
  let slept = false;
  void sleep(1, clock).then(() => {
    slept = true;
  });
  await clock.advance(0.999);
  expect(slept).toBe(false);
  await clock.advance(0.001);
  expect(slept).toBe(true);
});

test('sleep below 1 ms ends with the signal’s reason, whenever that aborts', async () => {
  const before = AbortSignal.abort('before');
  await expect(sleep(0, systemClock, before)).rejects.toBe('before');
  const stop = new AbortController();
  const rejected = expect(sleep(0, systemClock, stop.signal)).rejects.toBe('while');
  stop.abort('while');
  await rejected;
});

test.each([20, 80])('sleep of %d ms by the system clock is neither early nor late', async (ms) => {
  const started = performance.now();
  await sleep(ms, systemClock);
  const took = performance.now() - started;
  // A timer of Node's may be early by the rest of a ms.
  expect(took).toBeGreaterThan(ms - 2);
  expect(took).toBeLessThan(ms + 2_000);
});
