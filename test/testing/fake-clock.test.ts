import { expect, test } from '@jest/globals';
import { LockUsageError } from '../../src/core/errors.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { memoryLocks } from '../../src/testing/memory-locks.js';

test('fires timers in order, each at its own time, and those of one time in the order of setting', async () => {
  const clock = new FakeClock(100);
  const fired: [string, number][] = [];
  const note = (name: string) => () => fired.push([name, clock.now()]);
  clock.after(20, note('c'));
  clock.after(10, note('a'));
  clock.after(10, note('b'));
  clock.after(31, note('late'));
  await clock.advance(30);
  expect(fired).toEqual([
    ['a', 110],
    ['b', 110],
    ['c', 120],
  ]);
  expect(clock.now()).toBe(130);
});

test('lets promise continuations run between timers, and fires the timers they set', async () => {
  const clock = new FakeClock();
  const times: number[] = [];
  const wait = (ms: number) => new Promise<void>((resolve) => void clock.after(ms, resolve));
  const work = (async () => {
    for (let i = 0; i < 3; i++) {
      await wait(10);
      times.push(clock.now());
    }
  })();
  await clock.advance(25);
  expect(times).toEqual([10, 20]);
  await clock.advance(5);
  await work;
  expect(times).toEqual([10, 20, 30]);
});

test('a cancelled timer does not fire', async () => {
  const clock = new FakeClock();
  let fired = false;
  clock
    .after(5, () => {
      fired = true;
    })
    .cancel();
  await clock.advance(10);
  expect([fired, clock.pending]).toEqual([false, 0]);
});

test('a jump fires nothing until the next advance', async () => {
  const clock = new FakeClock();
  let at = -1;
  clock.after(5, () => {
    at = clock.now();
  });
  clock.jump(100);
  expect([clock.now(), at]).toEqual([100, -1]);
  await clock.advance(0);
  expect(at).toBe(100);
});

test('an advance that is called beside another begins when that has ended, and time never goes back', async () => {
  const clock = new FakeClock();
  const fired: number[] = [];
  for (const ms of [100, 3_000, 5_500, 10_500]) clock.after(ms, () => fired.push(clock.now()));
  const seen: number[] = [];
  const looking = setInterval(() => seen.push(clock.now()), 0);
  await Promise.all([clock.advance(6_000), clock.advance(5_000), clock.advance(0)]);
  clearInterval(looking);
  expect(fired).toEqual([100, 3_000, 5_500, 10_500]);
  expect(clock.now()).toBe(11_000);
  expect(seen).toEqual([...seen].sort((a, b) => a - b));
});

test('an advance that a timer calls begins after the one that fired it', async () => {
  const clock = new FakeClock();
  let inner: Promise<void> | undefined;
  clock.after(10, () => {
    inner = clock.advance(100);
  });
  await clock.advance(20);
  expect(clock.now()).toBe(20);
  await inner;
  expect(clock.now()).toBe(120);
});

test('a jump during an advance that goes beyond its end is not taken back', async () => {
  const clock = new FakeClock();
  clock.after(10, () => clock.jump(10_000));
  let overdue = -1;
  clock.after(500, () => {
    overdue = clock.now();
  });
  await clock.advance(6_000);
  expect([clock.now(), overdue]).toEqual([10_010, 10_010]);
});

test('what is no finite number of ms, at least 0, is refused, and does not move the time', async () => {
  const clock = new FakeClock(5);
  for (const ms of [-1, Number.NaN, Infinity, -Infinity, '5', undefined, null] as number[]) {
    await expect(clock.advance(ms)).rejects.toBeInstanceOf(LockUsageError);
    expect(() => clock.jump(ms)).toThrow(LockUsageError);
    if (ms !== undefined) expect(() => new FakeClock(ms)).toThrow(LockUsageError);
  }
  expect(() => clock.after(Number.NaN, () => {})).toThrow(LockUsageError);
  await clock.advance(0);
  expect([clock.now(), clock.pending]).toEqual([5, 0]);
});

test('a timer of Infinity never fires, and one of less than 0 fires at once', async () => {
  const clock = new FakeClock(5);
  const fired: string[] = [];
  clock.after(Infinity, () => fired.push('never'));
  clock.after(-10, () => fired.push('at once'));
  await clock.advance(1e12);
  expect([fired, clock.pending]).toEqual([['at once'], 1]);
});

test('an advance through more timers than can be awaited is refused, and the next one goes on', async () => {
  const clock = new FakeClock();
  const lease = await memoryLocks({ clock }).mustOf().acquire('a', { ttl: '10s', autoRenew: true });
  await expect(clock.advance(1e12)).rejects.toThrow(/at most 100000 timers fire, got 1000000000000/);
  const reached = clock.now();
  expect(reached).toBeGreaterThan(100_000 * 1_000);
  await clock.advance(600_000);
  expect([clock.now(), lease.held]).toEqual([reached + 600_000, true]);
});

test('an advance rejects with what a timer throws, at its time, and the next one goes on', async () => {
  const clock = new FakeClock();
  const fault = new Error('thrown by a timer');
  clock.after(5, () => {
    throw fault;
  });
  let fired = false;
  clock.after(6, () => {
    fired = true;
  });
  await expect(clock.advance(10)).rejects.toBe(fault);
  expect([clock.now(), fired]).toEqual([5, false]);
  await clock.advance(1);
  expect([clock.now(), fired]).toEqual([6, true]);
});
