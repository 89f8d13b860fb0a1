import { expect, test } from '@jest/globals';
import { within } from '../../../src/drivers/redis/within.js';
import { FakeClock } from '../../../src/testing/fake-clock.js';

function asked(ms: number) {
  const clock = new FakeClock();
  let answer!: (value: string) => void;
  let fail!: (error: Error) => void;
  const promise = new Promise<string>((resolve, reject) => {
    answer = resolve;
    fail = reject;
  });
  const ended: unknown[] = [];
  within(clock, ms, promise).then(
    (value) => ended.push(value),
    (error) => ended.push(error),
  );
  return { clock, answer, fail, ended };
}

test('nothing comes in time: undefined, after the time and a moment more', async () => {
  const { clock, ended } = asked(300);
  await clock.advance(399);
  expect(ended).toEqual([]);
  await clock.advance(1);
  expect(ended).toEqual([undefined]);
  expect(clock.pending).toBe(0);
});

test('what comes in the last moment counts, and no timer is left', async () => {
  const { clock, answer, ended } = asked(300);
  await clock.advance(399);
  answer('here');
  await clock.advance(0);
  expect(ended).toEqual(['here']);
  expect(clock.pending).toBe(0);
});

test('a failure is passed on', async () => {
  const { clock, fail, ended } = asked(300);
  fail(new Error('lost'));
  await clock.advance(0);
  expect(ended).toEqual([new Error('lost')]);
  expect(clock.pending).toBe(0);
});
