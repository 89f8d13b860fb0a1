import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { SharedClock } from '../../../src/engine/thread/shared-clock.js';
import { FakeClock } from '../../../src/testing/fake-clock.js';

let ns: bigint;

beforeEach(() => {
  ns = 5_000_000_000n;
  jest.spyOn(process.hrtime, 'bigint').mockImplementation(() => ns);
});

afterEach(() => void jest.restoreAllMocks());

test('two threads whose clocks began at different times mean the same moment', () => {
  const time = SharedClock.time();
  const main = new SharedClock(new FakeClock(300), time);
  ns += 7_000_000n;
  const worker = new SharedClock(new FakeClock(40), time);
  expect(main.toShared(300)).toBe(1_000);
  expect(worker.toShared(40)).toBe(1_007);
  expect(worker.fromShared(main.toShared(400))).toBe(133);
  expect(main.now()).toBe(300);
});

test('of several readings of the two clocks the closest pair counts, and its later end', () => {
  const began = ns;
  const pauses = [90, 60, 0.002, 70, 80, 50];
  let reading = 0;
  const now = () => {
    const ms = pauses[reading++ % pauses.length]!;
    ns += BigInt(ms * 1e6);
    return 1_000 + Number(ns - began) / 1e6 - ms;
  };
  const shared = new SharedClock(Object.assign(new FakeClock(), { now }), SharedClock.time());
  expect(reading).toBeGreaterThan(5);
  // The shared time is 1,000 at 1,000 of the clock; too much rather than too little.
  expect(shared.toShared(1_000)).toBeGreaterThan(1_000);
  expect(shared.toShared(1_000)).toBeLessThan(1_000.01);
});

test('the heart has not beaten at first, and each beat is seen by the other thread, not before it was', () => {
  const clock = new FakeClock(100.25);
  const time = SharedClock.time();
  const [main, worker] = [new SharedClock(clock, time), new SharedClock(clock, time)];
  expect(worker.beat).toBe(100.25 - 1_000);
  main.tick();
  expect(worker.beat).toBe(100.25);
  clock.jump(0.5);
  main.tick();
  expect(worker.beat).toBe(101.25);
});
