import { expect, test } from '@jest/globals';
import type { LockMode } from 'latchkey';
import type { HistoryEvent } from 'latchkey/testing';
import { orderOf } from './order.js';

const ask = (
  hold: string,
  asked: number,
  at: number,
  fence?: number,
  mode: LockMode = 'write',
  key = 'k',
) => {
  const event = { hold, key, mode, op: 'acquire' } as const;
  const answer: HistoryEvent =
    fence === undefined ? { ...event, type: 'fail', at } : { ...event, type: 'ok', at, fence };
  return [{ ...event, type: 'invoke', at: asked } as HistoryEvent, answer];
};
const fault = (from: number, to: number) => ({
  fault: { kind: 'a fault', strike: async () => {} },
  from,
  to,
});

test('who asked first and was granted later was passed over', () => {
  const right = [...ask('a', 0, 900, 1), ...ask('b', 300, 1_000, 2)];
  expect(orderOf(right, [])).toEqual({ compared: 1, passed: [] });
  const wrong = [...ask('a', 0, 1_000, 2), ...ask('b', 300, 900, 1)];
  expect(orderOf(wrong, [])).toEqual({ compared: 1, passed: ['k: b before a'] });
});

test('the fences tell the order, not when a process was told', () => {
  const toldLate = [...ask('a', 0, 2_000, 1), ...ask('b', 300, 900, 2)];
  expect(orderOf(toldLate, []).passed).toEqual([]);
});

test('who waited in vain was passed over where the other came in surely before its wait was over', () => {
  const wrong = [...ask('a', 0, 1_500), ...ask('b', 300, 900, 1)];
  expect(orderOf(wrong, []).passed).toEqual(['k: b before a']);
  const maybe = [...ask('a', 0, 1_000), ...ask('b', 300, 900, 1)];
  expect(orderOf(maybe, [])).toEqual({ compared: 1, passed: [] });
});

test('judges nobody who asked at nearly the same time, nor under a fault or soon after one', () => {
  const wrong = [...ask('a', 5_000, 6_000, 2), ...ask('b', 5_300, 5_900, 1)];
  expect(orderOf(wrong, [fault(500, 900)]).compared).toBe(1);
  expect(orderOf(wrong, [fault(500, 1_100)]).compared).toBe(0);
  expect(orderOf(wrong, [fault(5_900, 7_000)]).compared).toBe(0);
  expect(orderOf(wrong, [fault(5_901, 7_000)]).compared).toBe(1);
  const close = [...ask('a', 5_100, 6_000, 2), ...ask('b', 5_300, 5_900, 1)];
  expect(orderOf(close, []).compared).toBe(0);
});

test('readers do not wait for readers, and a key of several is asked for later', () => {
  const readers = [...ask('a', 0, 1_000, 2, 'read'), ...ask('b', 300, 900, 1, 'read')];
  expect(orderOf(readers, []).compared).toBe(0);
  const several = [
    ...ask('a', 0, 1_000, undefined, 'write', 'j'),
    ...ask('a', 0, 1_000, undefined, 'write', 'k'),
    ...ask('b', 300, 500, 1),
  ];
  expect(orderOf(several, []).compared).toBe(0);
  const first = [...ask('a', 0, 1_000, 2, 'read'), ...ask('b', 300, 900, 1, 'write')];
  expect(orderOf(first, []).passed).toEqual(['k: b before a']);
});
