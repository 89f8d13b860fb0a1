import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { LocalQueues } from '../../src/engine/local-queue.js';
import type { AcquireRequest } from '../../src/lease/driver.js';
import { FakeClock } from '../../src/testing/index.js';

let clock: FakeClock;
let random: number;
let queues: LocalQueues;
/** Who asked, and when. */
let asked: [string, number][];

beforeEach(() => {
  clock = new FakeClock();
  random = 0;
  queues = new LocalQueues(clock, () => random);
  asked = [];
});

afterEach(() => {
  queues.close();
  expect(clock.pending).toBe(0);
});

const waiter = (name: string, longestLook = 5_000, key = 'k') => ({
  request: { key } as AcquireRequest,
  longestLook,
  ask: () => void asked.push([name, clock.now()]),
});

const refused = (left: number, before = 0, kept = true) => ({ granted: false, left, before, kept }) as const;
const HELD = 3_600_000;

describe('the next look', () => {
  test.each([
    ['just after the time of the holder', 700, 0, 0, 701],
    ['later, the more places are before', 700, 3, 0, 716],
    ['at most 100 ms later', 700, 1_000, 0, 801],
    ['up to 5 ms later by chance', 700, 3, 0.8, 720],
    ['at once where nobody holds the key', 0, 0, 0, 1],
  ])('comes %s', async (_, left, before, chance, at) => {
    random = chance;
    queues.placed(waiter('a'), refused(left, before));
    await clock.advance(3_000);
    expect(asked).toEqual([['a', at]]);
  });

  test.each([
    ['2 s, less up to a fifth by chance', 5_000, 0, 0, 1_600],
    ['2 s', 5_000, 0, 1, 2_000],
    ['0.1 s later for each place before it', 5_000, 10, 1, 3_000],
    ['as often as its own ttl wants it', 900, 10, 1, 900],
  ])('comes however long the lock is held: after %s', async (_, longest, before, chance, at) => {
    random = chance;
    queues.placed(waiter('a', longest), refused(HELD, before));
    await clock.advance(6_000);
    expect(asked).toEqual([['a', at]]);
  });

  test('is the earliest of those that any answer wants', async () => {
    const [a, b] = [waiter('a'), waiter('b')];
    queues.placed(a, refused(500));
    queues.placed(b, refused(300));
    queues.placed(b, refused(400));
    await clock.advance(1_000);
    expect(asked).toEqual([['a', 301]]);
  });

  test('may be told to come sooner, but not later, and only where somebody waits', async () => {
    queues.placed(waiter('a'), refused(500));
    queues.lookIn('k', 900);
    queues.lookIn('k', 200);
    queues.lookIn('another', 100);
    await clock.advance(2_000);
    expect(asked).toEqual([['a', 200]]);
  });

  test.each([
    ['in time', 300, 300],
    ['0.1 s after it, for it may say at once', 0, 100],
    ['as of the place, where that is sooner', 60_000, 1_650],
  ])('comes also where the message is here before the place: %s', async (_, ms, at) => {
    queues.told('k', ms);
    await clock.advance(50);
    queues.placed(waiter('a'), refused(HELD));
    await clock.advance(1_700 - 50);
    expect(asked).toEqual([['a', at]]);
  });

  test('comes to nobody where no place follows the message, and keeps nothing', async () => {
    queues.told('k', 60_000);
    await clock.advance(2_000);
    expect(clock.pending).toBe(0);
    queues.placed(waiter('a'), refused(HELD));
    queues.told('k', 500);
    await clock.advance(600);
    expect(asked).toEqual([['a', 2_500]]);
  });

  test('is that of the one that is first in the store, also where another has lost its place', async () => {
    const [a, b] = [waiter('a'), waiter('b')];
    queues.placed(a, refused(500));
    queues.placed(b, refused(500, 1));
    queues.placed(a, refused(500, 1, false));
    expect(asked).toEqual([['b', 0]]);
    queues.placed(b, refused(500));
    await clock.advance(1_000);
    expect(asked.slice(1)).toEqual([['b', 501]]);
  });

  test('is each key’s own', async () => {
    queues.placed(waiter('a', 5_000, 'k'), refused(300));
    queues.placed(waiter('b', 5_000, 'other'), refused(200));
    await clock.advance(2_000);
    expect(asked).toEqual([
      ['b', 201],
      ['a', 301],
    ]);
  });

  test('does not come after the close', async () => {
    queues.placed(waiter('a'), refused(300));
    queues.close();
    await clock.advance(1_000);
    expect(asked).toEqual([]);
  });
});

describe('one that leaves', () => {
  test('leaves the next look to the others, when it was due', async () => {
    const [a, b] = [waiter('a'), waiter('b')];
    queues.placed(a, refused(300));
    queues.placed(b, refused(300));
    await clock.advance(100);
    queues.leave(a);
    await clock.advance(1_000);
    expect(asked).toEqual([['b', 301]]);
  });

  test('before its look was answered has the next one look at once', async () => {
    const [a, b, c] = [waiter('a'), waiter('b'), waiter('c')];
    for (const each of [a, b, c]) queues.placed(each, refused(300));
    await clock.advance(350);
    queues.leave(a);
    await clock.advance(10);
    expect(asked).toEqual([
      ['a', 301],
      ['b', 350],
    ]);
  });

  test('last leaves nothing behind', async () => {
    const [a, b] = [waiter('a'), waiter('b')];
    queues.placed(a, refused(300));
    queues.leave(a);
    queues.leave(a);
    queues.placed(b, refused(500));
    await clock.advance(1_000);
    expect(asked).toEqual([['b', 501]]);
  });

  test('without a place changes nothing', async () => {
    queues.placed(waiter('a'), refused(300));
    await clock.advance(301);
    queues.leave(waiter('b'));
    queues.leave(waiter('c', 5_000, 'other'));
    await clock.advance(1_000);
    expect(asked).toEqual([['a', 301]]);
  });
});

describe('a place that the store has lost', () => {
  test('makes all others ask, in their order, since they may have lost theirs', () => {
    const [a, b, c] = [waiter('a'), waiter('b'), waiter('c')];
    for (const each of [a, b, c]) queues.placed(each, refused(HELD, 0, false));
    expect(asked).toEqual([]);
    queues.placed(a, refused(HELD, 0, true));
    expect(asked).toEqual([]);
    queues.placed(b, refused(HELD, 0, false));
    expect(asked).toEqual([
      ['a', 0],
      ['c', 0],
    ]);
  });

  test('does not make each of those ask all others that were asked for it, until the next is lost', () => {
    const [a, b, c, d, e] = [waiter('a'), waiter('b'), waiter('c'), waiter('d'), waiter('e')];
    for (const each of [a, b, c, d, e]) queues.placed(each, refused(HELD));
    queues.placed(a, refused(HELD, 0, false));
    expect(asked.map(([name]) => name)).toEqual(['b', 'c', 'd', 'e']);
    asked = [];
    queues.placed(b, refused(HELD, 0, false));
    queues.placed(c, refused(HELD, 0, false));
    queues.placed(d, refused(HELD));
    queues.leave(e);
    queues.placed(e, refused(HELD));
    expect(asked).toEqual([]);
    queues.placed(b, refused(HELD, 0, false));
    expect(asked.map(([name]) => name)).toEqual(['d', 'a', 'c', 'e']);
    asked = [];
    queues.placed(e, refused(HELD, 0, false));
    queues.placed(e, refused(HELD, 0, false));
    expect(asked.map(([name]) => name)).toEqual(['d', 'a', 'c', 'b']);
  });

  test('is found for 20,000 waiters of one key without a delay', () => {
    const all = Array.from({ length: 20_000 }, (_, i) => waiter(`${i}`));
    for (const each of all) queues.placed(each, refused(HELD));
    for (const each of all) queues.placed(each, refused(HELD, 0, false));
    expect(asked.length).toBe(19_999);
  });
});
