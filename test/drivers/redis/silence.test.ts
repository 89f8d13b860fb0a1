import { beforeEach, expect, test } from '@jest/globals';
import { Silence } from '../../../src/drivers/redis/silence.js';
import { FakeClock } from '../../../src/testing/fake-clock.js';

// A second, and four looks of 25 ms.
const TOLD_AFTER = 1_100;

let clock: FakeClock;
let told: { ms: number; at: number }[];
let silence: Silence;

beforeEach(() => {
  clock = new FakeClock();
  told = [];
  silence = new Silence(clock, (ms) => told.push({ ms, at: clock.now() }));
});

test('a server that answers nothing for a second is silent, once it had a moment more', async () => {
  silence.asked();
  await clock.advance(TOLD_AFTER - 1);
  expect(told).toEqual([]);
  await clock.advance(10_000);
  expect(told).toEqual([{ ms: 1_000, at: TOLD_AFTER }]);
  expect(clock.pending).toBe(0);
});

test('a server that has answered all is not silent', async () => {
  silence.asked();
  silence.asked();
  silence.answered();
  silence.answered();
  await clock.advance(10_000);
  expect(told).toEqual([]);
  expect(clock.pending).toBe(0);
});

test('any answer shows that it is not silent, and counts for a second', async () => {
  silence.asked();
  silence.asked();
  await clock.advance(900);
  silence.answered();
  await clock.advance(1_000 + TOLD_AFTER - 901);
  expect(told).toEqual([]);
  await clock.advance(1);
  expect(told).toEqual([{ ms: 1_000, at: 1_000 + TOLD_AFTER }]);
});

test('an answer that is read in the last moment counts', async () => {
  silence.asked();
  silence.asked();
  await clock.advance(TOLD_AFTER - 1);
  silence.answered();
  await clock.advance(TOLD_AFTER - 1);
  expect(told).toEqual([]);
  await clock.advance(2);
  expect(told).toHaveLength(1);
});

test('what is asked when nothing was due has its own second', async () => {
  silence.asked();
  silence.answered();
  await clock.advance(5_000);
  silence.asked();
  await clock.advance(TOLD_AFTER - 1);
  expect(told).toEqual([]);
  await clock.advance(1);
  expect(told).toEqual([{ ms: 1_000, at: 5_000 + TOLD_AFTER }]);
});

test('one timer watches for all that is due, and none after it was stopped', async () => {
  for (let i = 0; i < 10; i++) silence.asked();
  expect(clock.pending).toBe(1);
  silence.stop();
  expect(clock.pending).toBe(0);
});
