import { expect, test } from '@jest/globals';
import type { Clock } from '../../../src/core/clock.js';
import { type Page, scan } from '../../../src/drivers/redis/scan.js';

/** A clock that every sleep moves on, and that keeps how long each was. */
function clocked() {
  let now = 0;
  const slept: number[] = [];
  const clock: Clock = {
    now: () => now,
    after: (ms, fn) => {
      slept.push(ms);
      now += ms;
      queueMicrotask(fn);
      return { cancel: () => {}, keepAlive: () => {} };
    },
  };
  return { clock, slept, pass: (ms: number) => (now += ms) };
}

async function pagesOf(
  pages: readonly (readonly [string | number, string[]])[],
  {
    size,
    takes = 0,
    reading = 0,
    prefix = 'p:',
  }: { size?: number; takes?: number; reading?: number; prefix?: string } = {},
) {
  const { clock, slept, pass } = clocked();
  const sent: string[][] = [];
  let next = 0;
  const ask = async (...command: string[]) => {
    sent.push(command);
    if (command[0] === 'DBSIZE') {
      if (size === undefined) throw new Error('NOPERM');
      return `${size}`;
    }
    pass(takes);
    return pages[next++];
  };
  const seen: Page[] = [];
  for await (const page of scan(ask, prefix, clock)) {
    seen.push(page);
    pass(reading);
  }
  return { seen, sent, slept };
}

const TWO: (readonly [string, string[]])[] = [
  ['17', ['p:a', 'p:b']],
  ['0', ['p:c']],
];

test('goes on from each cursor until the server says 0, and tells how far it is', async () => {
  const { seen, sent } = await pagesOf(TWO, { size: 800 });
  expect(seen).toEqual([
    { names: ['p:a', 'p:b'], seen: 500, total: 800 },
    { names: ['p:c'], seen: 800, total: 800 },
  ]);
  expect(sent).toEqual([
    ['DBSIZE'],
    ['SCAN', '0', 'MATCH', 'p:*', 'COUNT', '500', 'TYPE', 'hash'],
    ['SCAN', '17', 'MATCH', 'p:*', 'COUNT', '500', 'TYPE', 'hash'],
  ]);
});

test('never tells of more keys than there are, and counts alone where it may not ask how many', async () => {
  const few = await pagesOf(TWO, { size: 300 });
  expect(few.seen.map(({ seen }) => seen)).toEqual([300, 300]);
  const unknown = await pagesOf(TWO);
  expect(unknown.seen.map(({ seen, total }) => [seen, total])).toEqual([
    [500, undefined],
    [1_000, undefined],
  ]);
});

test('a prefix is no pattern', async () => {
  const { sent } = await pagesOf([['0', []]], { prefix: 'a*b?[c]\\' });
  expect(sent[1]![3]).toBe('a\\*b\\?\\[c\\]\\\\*');
});

test('leaves the server alone for nine times as long as it worked, not after the last page', async () => {
  expect((await pagesOf(TWO)).slept).toEqual([1]);
  expect((await pagesOf(TWO, { takes: 0.5 })).slept).toEqual([4.5]);
  // Of an answer that took longer, most was the way.
  expect((await pagesOf(TWO, { takes: 80 })).slept).toEqual([9]);
  const many: (readonly [string, string[]])[] = [
    ['17', Array.from({ length: 100 }, (_, i) => `p:${i}`)],
    ['0', []],
  ];
  expect((await pagesOf(many, { takes: 1, reading: 0.5 })).slept).toEqual([13.5]);
  expect((await pagesOf(many, { takes: 1, reading: 50 })).slept).toEqual([27]);
});
