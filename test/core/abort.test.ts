import { getEventListeners } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, jest, test } from '@jest/globals';
import { checkSignal, firstOf, onAbort } from '../../src/core/abort.js';
import { leftInOldGeneration } from '../support/old-generation.js';
import { usageOf } from '../support/usage.js';

test('all who listen are called once, and those who took it back are not', () => {
  const stop = new AbortController();
  const [a, b, c] = [jest.fn(), jest.fn(), jest.fn()];
  onAbort(stop.signal, a);
  onAbort(stop.signal, b)();
  onAbort(stop.signal, c);
  stop.abort();
  stop.abort();
  expect([a, b, c].map((fn) => fn.mock.calls.length)).toEqual([1, 0, 1]);
});

test('a signal that has aborted keeps no listener, and what comes later is not called with those before', () => {
  const { signal } = new AbortController();
  const [early, late] = [jest.fn(), jest.fn()];
  onAbort(signal, early);
  signal.dispatchEvent(new Event('abort'));
  expect(getEventListeners(signal, 'abort')).toEqual([]);
  onAbort(signal, late);
  signal.dispatchEvent(new Event('abort'));
  expect([early, late].map((fn) => fn.mock.calls.length)).toEqual([1, 1]);
});

test('however many share a signal, it has one listener', () => {
  const { signal } = new AbortController();
  for (let i = 0; i < 1_000; i++) onAbort(signal, () => {});
  expect(getEventListeners(signal, 'abort').length).toBe(1);
});

test('a signal to which nobody listens any more has no listener, and can be listened to again', () => {
  const stop = new AbortController();
  const listeners = () => getEventListeners(stop.signal, 'abort').length;
  const calls = [jest.fn(), jest.fn(), jest.fn()] as const;
  const one = onAbort(stop.signal, calls[0]);
  const two = onAbort(stop.signal, calls[1]);
  one();
  one();
  expect(listeners()).toBe(1);
  two();
  expect(listeners()).toBe(0);
  onAbort(stop.signal, calls[2]);
  two();
  expect(listeners()).toBe(1);
  stop.abort();
  expect(calls.map((fn) => fn.mock.calls.length)).toEqual([0, 0, 1]);
});

test('of those who listened briefly little is left for a full garbage collection, though others always listen', () => {
  const { signal } = new AbortController();
  const stops: (() => void)[] = [];
  const left = leftInOldGeneration((added, value) => {
    const stop = stops[added % 64];
    stops[added % 64] = onAbort(signal, () => void value);
    stop?.();
  });
  expect(left).toBeLessThan(8);
});

test('what is taken back while a signal aborts leaves those who listened since', () => {
  const { signal } = new AbortController();
  const stop = onAbort(signal, () => {
    onAbort(signal, () => {});
    stop();
    onAbort(signal, () => {});
  });
  signal.dispatchEvent(new Event('abort'));
  expect(getEventListeners(signal, 'abort').length).toBe(1);
});

test('a signal of AbortSignal.any is not kept in memory by those who listened to it', async () => {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  const lasts = new AbortController().signal;
  const signals = Array.from({ length: 100 }, () => {
    const signal = AbortSignal.any([lasts, new AbortController().signal]);
    onAbort(signal, () => {})();
    return new WeakRef(signal);
  });
  // What a WeakRef was made of lives until the end of the turn.
  await new Promise(setImmediate);
  gc();
  expect(signals.filter((signal) => signal.deref()).length).toBeLessThan(10);
});

test('the first of two signals to abort gives the reason, until done', () => {
  for (const winner of [0, 1]) {
    const stops = [new AbortController(), new AbortController()] as const;
    const { signal } = firstOf(stops[0].signal, stops[1].signal);
    stops[winner as 0 | 1].abort('first');
    stops[0].abort('late');
    expect(signal.reason).toBe('first');
  }
  const stops = [new AbortController(), new AbortController()] as const;
  const { signal, done } = firstOf(stops[0].signal, stops[1].signal);
  done();
  stops[0].abort();
  expect(signal.aborted).toBe(false);
  expect(firstOf(stops[1].signal, undefined).signal).toBe(stops[1].signal);
});

test('one of two signals that has aborted already gives its reason', () => {
  const live = new AbortController().signal;
  const aborted = AbortSignal.abort('before');
  expect(firstOf(aborted, live).signal.reason).toBe('before');
  expect(firstOf(live, aborted).signal.reason).toBe('before');
});

test.each([
  [null],
  [5],
  ['x'],
  [{}],
  [{ aborted: false }],
  [{ aborted: false, addEventListener: () => {} }],
  [new EventTarget()],
  [new AbortController()],
])('%p is no signal', (value) => {
  expect(usageOf(() => checkSignal(value)).option).toBe('signal');
});

test('undefined, or whatever can do what an AbortSignal can, is fine', () => {
  checkSignal(undefined);
  checkSignal(new AbortController().signal);
  checkSignal({ aborted: false, addEventListener: () => {}, removeEventListener: () => {} });
});
