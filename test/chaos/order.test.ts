import { expect, test } from '@jest/globals';
import type { LockMode } from 'latchkey';
import type { HistoryEvent } from 'latchkey/testing';
import type { Note } from './journal.js';
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

/** The place of a hold was seen, and it waits until then at least. */
const place = (hold: string, at: number, until = 2_000): Note => ({ note: 'placed', hold, at, until });

test('who asked first and was granted later was passed over', () => {
  const right = [...ask('a', 0, 900, 1), ...ask('b', 300, 1_000, 2)];
  expect(orderOf(right, [place('a', 299)], [])).toEqual({ compared: 1, passed: [] });
  const wrong = [...ask('a', 0, 1_000, 2), ...ask('b', 300, 900, 1)];
  expect(orderOf(wrong, [place('a', 299)], [])).toEqual({ compared: 1, passed: ['k: b before a'] });
});

test('judges nobody whose place was not seen before the later one asked', () => {
  const wrong = [...ask('a', 0, 1_000, 2), ...ask('b', 300, 900, 1)];
  expect(orderOf(wrong, [], []).compared).toBe(0);
  expect(orderOf(wrong, [place('b', 350)], []).compared).toBe(0);
  expect(orderOf(wrong, [place('a', 301)], []).compared).toBe(0);
});

test('the fences tell the order, not when a process was told', () => {
  const toldLate = [...ask('a', 0, 2_000, 1), ...ask('b', 300, 900, 2)];
  expect(orderOf(toldLate, [place('a', 100)], [])).toEqual({ compared: 1, passed: [] });
});

test('who waited in vain was passed over where the other came in surely before its wait was over', () => {
  const vain = [...ask('a', 0, 1_500), ...ask('b', 300, 900, 1)];
  expect(orderOf(vain, [place('a', 100, 1_400)], []).passed).toEqual(['k: b before a']);
  // It may have left long before it could write that down.
  expect(orderOf(vain, [place('a', 100, 850)], [])).toEqual({ compared: 1, passed: [] });
  const unsure = vain.map((event) => (event.type === 'fail' ? { ...event, type: 'info' as const } : event));
  expect(orderOf(unsure, [place('a', 100, 1_400)], []).compared).toBe(0);
});

test('judges nobody under a fault or soon after one', () => {
  const wrong = [...ask('a', 5_000, 6_000, 2), ...ask('b', 5_300, 5_900, 1)];
  const compared = (...faults: Parameters<typeof orderOf>[2]) =>
    orderOf(wrong, [place('a', 5_100)], faults).compared;
  expect(compared(fault(500, 900))).toBe(1);
  expect(compared(fault(500, 1_100))).toBe(0);
  expect(compared(fault(5_900, 7_000))).toBe(0);
  expect(compared(fault(5_901, 7_000))).toBe(1);
});

test('readers do not wait for readers, and a key of several is asked for later', () => {
  const readers = [...ask('a', 0, 1_000, 2, 'read'), ...ask('b', 300, 900, 1, 'read')];
  expect(orderOf(readers, [place('a', 100)], []).compared).toBe(0);
  const several = [
    ...ask('a', 0, 1_000, undefined, 'write', 'j'),
    ...ask('a', 0, 1_000, undefined, 'write', 'k'),
    ...ask('b', 300, 500, 1),
  ];
  expect(orderOf(several, [place('a', 100)], []).compared).toBe(0);
  const first = [...ask('a', 0, 1_000, 2, 'read'), ...ask('b', 300, 900, 1, 'write')];
  expect(orderOf(first, [place('a', 100)], []).passed).toEqual(['k: b before a']);
});
