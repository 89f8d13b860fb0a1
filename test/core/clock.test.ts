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

test('sleep below 1 ms lets other things run', async () => {
  let ran = false;
  setImmediate(() => {
    ran = true;
  });
  await sleep(0.5, systemClock);
  expect(ran).toBe(true);
});
