import { expect, jest, test } from '@jest/globals';
import { within } from '../../src/core/within.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { watch } from '../support/bed.js';
import { deferred } from '../support/wait.js';

test('gives what the promise gives, or its rejection, and leaves no timer', async () => {
  const clock = new FakeClock();
  expect(await within(Promise.resolve(7), 10, clock)).toBe(7);
  await expect(within(Promise.reject(new Error('mine')), 10, clock)).rejects.toThrow('mine');
  expect(clock.pending).toBe(0);
});

test('gives undefined when the time is over, and ignores what comes later', async () => {
  const clock = new FakeClock();
  const [slow, failing] = [deferred<number>(), deferred<number>()];
  const both = [slow, failing].map(({ promise }) => watch(within(promise, 10, clock)));
  await clock.advance(9);
  expect(both.map(({ state }) => state)).toEqual(['pending', 'pending']);
  await clock.advance(1);
  expect(both).toEqual(Array(2).fill({ state: 'fulfilled', value: undefined }));
  slow.resolve(7);
  failing.reject(new Error('late'));
  await clock.advance(0);
  expect(both[0]!.value).toBeUndefined();
});

test('without an end waits as long as the promise', async () => {
  const clock = new FakeClock();
  const made = deferred<number>();
  const value = watch(within(made.promise, Infinity, clock));
  await clock.advance(1e9);
  expect([value.state, clock.pending]).toEqual(['pending', 0]);
  made.resolve(7);
  await clock.advance(0);
  expect(value.value).toBe(7);
});

test.each([[new Error('enough')], [null], [Number.NaN]])(
  'rejects with the reason of the signal: %p',
  async (reason) => {
    const clock = new FakeClock();
    const stop = new AbortController();
    const failing = deferred<number>();
    const value = watch(within(failing.promise, 10, clock, stop.signal));
    await clock.advance(5);
    expect(value.state).toBe('pending');
    stop.abort(reason);
    await clock.advance(0);
    expect(value).toEqual({ state: 'rejected', error: reason });
    expect(clock.pending).toBe(0);
    const late = watch(within(failing.promise, 10, clock, stop.signal));
    // Nobody else listens: it must not become an unhandled rejection.
    failing.reject(new Error('later'));
    await clock.advance(0);
    expect(late).toEqual({ state: 'rejected', error: reason });
  },
);

test('a promise that is never settled keeps nothing of those who waited, however many', async () => {
  const clock = new FakeClock();
  const never = deferred<number>();
  const reactions = jest.spyOn(never.promise, 'then');
  const stop = new AbortController();
  const all = [...Array(50).keys()].flatMap(() => [
    watch(within(never.promise, 10, clock)),
    watch(within(never.promise, 1_000, clock, stop.signal)),
  ]);
  await clock.advance(10);
  stop.abort(new Error('enough'));
  await clock.advance(0);
  const ended = all.filter(({ state }) => state !== 'pending');
  expect([ended.length, clock.pending, reactions.mock.calls.length]).toEqual([100, 0, 1]);
  const last = [within(never.promise, 10, clock), within(never.promise, 10, clock)];
  never.resolve(7);
  expect(await Promise.all(last)).toEqual([7, 7]);
  expect(await within(never.promise, 10, clock)).toBe(7);
});
