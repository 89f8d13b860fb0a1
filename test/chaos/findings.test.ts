import { expect, test } from '@jest/globals';
import type { HistoryEvent } from 'latchkey/testing';
import { countHandOffs, findings, outagesTold } from './findings.js';
import { FencedResource } from './resource.js';

const hold = (hold: string, asked: number, told: number, fence: number, released: number): HistoryEvent[] => {
  const event = { hold, key: 'k', mode: 'write' } as const;
  return [
    { ...event, op: 'acquire', type: 'invoke', at: asked },
    { ...event, op: 'acquire', type: 'ok', at: told, until: told + 1_000, fence },
    { ...event, op: 'release', type: 'invoke', at: released },
  ];
};

const fault = (from: number, to: number, explains?: 'lost data') => ({
  fault: { kind: 'a fault', strike: async () => {}, ...(explains && { explains }) },
  from,
  to,
});

const judge = (events: HistoryEvent[], ...faults: ReturnType<typeof fault>[]) =>
  findings(events, [], new FencedResource(true), faults).map(({ kind, grade, explanation }) => [
    kind,
    grade,
    explanation,
  ]);

test('an overlap is explained only by a fault that can cause it, between its first and its last event', () => {
  const twice = [...hold('a', 100, 101, 1, 300), ...hold('b', 150, 200, 2, 400)];
  expect(judge(twice, fault(0, 99, 'lost data'))).toEqual([['overlap', 'efficiency', undefined]]);
  expect(judge(twice, fault(120, 160))).toEqual([['overlap', 'efficiency', undefined]]);
  expect(judge(twice, fault(120, 160, 'lost data'))).toEqual([['overlap', 'efficiency', 'lost data']]);
});

test('nothing explains a fence that was given twice', () => {
  const again = [...hold('a', 100, 101, 1, 120), ...hold('b', 150, 200, 1, 400)];
  expect(judge(again, fault(120, 160, 'lost data'))).toEqual([['fence-repeated', 'correctness', undefined]]);
});

test('counts as handed over what somebody waited for', () => {
  const queue = [...hold('a', 0, 1, 1, 10), ...hold('b', 5, 11, 2, 20), ...hold('c', 30, 31, 3, 40)];
  expect(countHandOffs(queue)).toEqual({ holds: 3, handOffs: 1 });
});

test('a time-out under an outage is a false verdict, unless the holder was in the same process', () => {
  const away = { fault: { kind: 'gone', down: true, strike: async () => {} }, from: 1_000, to: 3_000 };
  const waited = (hold: string, from: number, at: number) => {
    const event = { hold, key: 'k', mode: 'write', op: 'acquire' } as const;
    const events: HistoryEvent[] = [
      { ...event, type: 'invoke', at: from },
      { ...event, type: 'fail', at },
    ];
    return { events, note: { note: 'timeout' as const, hold, from, at } };
  };
  const told = (holder: HistoryEvent[], { events, note }: ReturnType<typeof waited>) =>
    outagesTold([...holder, ...events], [note], [away]);
  const elsewhere = hold('w2.1', 100, 101, 1, 1_050);
  const here = hold('w1.1', 100, 101, 1, 2_500);
  expect(told(elsewhere, waited('w1.2', 1_200, 1_700))).toEqual(['w1.2, from 1200 to 1700']);
  expect(told(here, waited('w1.2', 1_200, 1_700))).toEqual([]);
  expect(told(elsewhere, waited('w1.2', 900, 1_700))).toEqual([]);
  expect(told(elsewhere, waited('w1.2', 1_200, 3_100))).toEqual([]);
  // It has the first of its keys, maybe, while it waits for the other.
  const several = (key: string): HistoryEvent => ({
    hold: 'w1.3',
    key,
    mode: 'write',
    op: 'acquire',
    type: 'invoke',
    at: 500,
  });
  const failed: HistoryEvent[] = ['k', 'l'].map((key) => ({ ...several(key), type: 'info', at: 2_000 }));
  expect(told([several('k'), several('l'), ...failed], waited('w1.2', 1_200, 1_700))).toEqual([]);
});
