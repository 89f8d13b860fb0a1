import { expect, test } from '@jest/globals';
import { FakeClock } from '../../src/testing/fake-clock.js';

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
