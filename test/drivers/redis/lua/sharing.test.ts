import { beforeEach, describe, expect, test } from '@jest/globals';
import { redis, server, serverForAll } from '../support/stage.js';
import { DAY, StoredLock } from '../support/stored.js';

serverForAll();

let lock: StoredLock;
beforeEach(() => {
  lock = new StoredLock(redis);
});

const inside = async () => Number((await lock.field('c'))?.split(' ')[0] ?? 0);
const reader = (token: string, options: Parameters<StoredLock['claim']>[1] = {}) =>
  lock.claim(token, { mode: 'r', ...options });
const GRANTED = [1, expect.any(Number), expect.any(Number), ''];

describe('a reader', () => {
  test('is stored beside the others, with a fence of its own and the bounds of all', async () => {
    const one = (await reader('a', { ttl: 4_000, process: 'me', meta: '{"n":"1"}' })) as number[];
    expect(one).toEqual([1, expect.any(Number), 4_000, '']);
    const two = (await reader('b', { ttl: 9_000, limit: 3 })) as number[];
    expect(two[1]).toBeGreaterThan(one[1]!);
    const [a, b] = [await lock.hold('s:a'), await lock.hold('s:b')];
    expect([a.fence, b.fence]).toEqual([one[1], two[1]]);
    expect([a.until - a.since, b.until - b.since]).toEqual([4_000, 9_000]);
    expect([a.rest, b.rest]).toEqual([
      ['0', 'me', '{"n":"1"}'],
      ['3', 'p', '{}'],
    ]);
    expect(await lock.field('c')).toBe(`2 ${a.until} ${b.until} 1`);
    // A reader's hold is not handed on: no fences are reserved.
    expect(await lock.field('f')).toBe(`${two[1]}`);
    expect(await lock.field('v')).toBe('2');
    expect(await lock.life()).toBeGreaterThan(DAY + 3_000);
    expect(await lock.life()).toBeLessThanOrEqual(DAY + 9_000);
  });

  test('that is shorter than another leaves the latest end as it is', async () => {
    await reader('long', { ttl: 9_000 });
    await reader('short', { ttl: 2_000 });
    const [long, short] = [await lock.hold('s:long'), await lock.hold('s:short')];
    expect(await lock.field('c')).toBe(`2 ${short.until} ${long.until} 1`);
  });

  test('that asks again is told its own time, not that of a longer one', async () => {
    const first = (await reader('short', { ttl: 8_000 })) as number[];
    await reader('long', { ttl: 60_000 });
    const again = (await reader('short', { ttl: 8_000 })) as number[];
    expect(again.slice(0, 2)).toEqual(first.slice(0, 2));
    expect(again[2]).toBeLessThanOrEqual(8_000);
    expect(again[2]).toBeGreaterThan(4_000);
    expect(await inside()).toBe(2);
  });

  test('keeps writers out until the last has gone, and is kept out by one', async () => {
    await reader('a', { ttl: 10_000 });
    await reader('b', { ttl: 20_000 });
    const [granted, left] = (await lock.claim('w')) as number[];
    expect(granted).toBe(0);
    expect(left).toBeLessThanOrEqual(20_000);
    expect(left).toBeGreaterThan(15_000);
    expect(await lock.free('b', { mode: 'r' })).toBe(1);
    // The latest has gone, which nobody has counted.
    const [, rest] = (await lock.claim('w')) as number[];
    expect(rest).toBeLessThanOrEqual(20_000);
    expect(rest).toBeGreaterThan(5_000);
    expect(await lock.free('a', { mode: 'r' })).toBe(1);
    expect(await lock.claim('w')).toEqual(expect.any(Number));
    expect(await reader('c')).toMatchObject([0, {}, 0, 0]);
  });

  test('whose time is up does not count, and is dropped', async () => {
    await reader('a');
    await reader('b');
    await lock.expire('s:a');
    expect(await reader('c', { limit: 2 })).toEqual(GRANTED);
    expect(await inside()).toBe(2);
    expect(await lock.field('s:a')).toBeNull();
    for (const token of ['b', 'c']) await lock.expire(`s:${token}`);
    expect(await lock.claim('w')).toEqual([1, expect.any(Number), 10_000, '']);
    expect(await lock.field('c')).toBeNull();
    expect(Object.keys(await lock.fields()).filter((name) => name.startsWith('s:'))).toEqual([]);
  });

  test('that frees when its time is up is told so; made twice, it is not freed twice', async () => {
    await reader('a');
    await reader('b');
    await lock.expire('s:a');
    expect(await lock.free('a', { mode: 'r' })).toBe(0);
    expect(await lock.free('b', { mode: 'r' })).toBe(1);
    expect(await lock.free('b', { mode: 'r' })).toBe(0);
    expect(await inside()).toBe(0);
  });

  test('does not free with the other’s token, nor as a writer', async () => {
    await reader('a');
    expect(await lock.free('b', { mode: 'r' })).toBe(0);
    expect(await lock.free('a', { mode: 'w' })).toBe(0);
    expect(await inside()).toBe(1);
  });
});

describe('a limit', () => {
  test('is each claim’s own: fewer than so many must be inside', async () => {
    expect(await reader('a', { limit: 2 })).toEqual(GRANTED);
    expect(await reader('b', { limit: 2 })).toEqual(GRANTED);
    expect(await reader('c', { limit: 2 })).toMatchObject([0, {}, 0, 0]);
    expect(await reader('c', { limit: 1 })).toMatchObject([0, {}, 0, 0]);
    expect(await reader('c', { limit: 3 })).toEqual(GRANTED);
    expect(await reader('d')).toEqual(GRANTED);
    expect(await inside()).toBe(4);
  });

  test('of 1 is a writer among readers, and counts them', async () => {
    await reader('a');
    expect(await reader('b', { limit: 1 })).toMatchObject([0, {}, 0, 0]);
    await lock.free('a', { mode: 'r' });
    expect(await reader('b', { limit: 1 })).toEqual(GRANTED);
  });

  test('of 1 waits for its turn in the queue, too', async () => {
    await reader('a');
    await lock.place('b', { mode: 'r', limit: 1 });
    await lock.place('c', { mode: 'r' });
    expect(await lock.queue()).toEqual(['b', 'c']);
    expect(await inside()).toBe(1);
    await lock.free('a', { mode: 'r' });
    expect(await lock.queue()).toEqual([]);
    expect(await inside()).toBe(2);
  });

  test('that is not met keeps its place, and nobody behind comes before', async () => {
    for (const token of ['a', 'b']) await reader(token, { limit: 2 });
    await lock.place('narrow', { mode: 'r', limit: 2 });
    await lock.place('wide', { mode: 'r', limit: 9 });
    expect(await reader('try', { limit: 9 })).toMatchObject([0, {}, 2, 0]);
    expect(await inside()).toBe(2);
    await lock.free('a', { mode: 'r' });
    expect(await lock.queue()).toEqual([]);
    expect(await inside()).toBe(3);
    expect((await lock.hold('s:narrow')).rest[0]).toBe('2');
    expect((await lock.hold('s:wide')).fence).toBeGreaterThan((await lock.hold('s:narrow')).fence);
  });

  test('lets in as many as fit when a writer goes', async () => {
    await lock.claim('w');
    for (const token of ['a', 'b', 'c']) await lock.place(token, { mode: 'r', limit: 2 });
    await lock.free('w');
    expect(await inside()).toBe(2);
    expect(await lock.queue()).toEqual(['c']);
  });
});

test('a writer that waits keeps later readers out, and enters alone', async () => {
  await reader('a');
  await lock.place('w');
  await lock.place('b', { mode: 'r' });
  expect(await reader('c')).toMatchObject([0, {}, 2, 0]);
  await lock.free('a', { mode: 'r' });
  expect(await lock.holder()).toBe('w');
  expect(await inside()).toBe(0);
  await lock.free('w');
  expect(await inside()).toBe(1);
  expect(await lock.holder()).toBeUndefined();
});

describe('how long readers stay', () => {
  const counted = async () => (await server.commandStats()).hscan ?? 0;

  test('is counted once after the last of them left, not by each who asks', async () => {
    await reader('a', { ttl: 20_000 });
    await reader('b', { ttl: 60_000 });
    expect(await lock.free('b', { mode: 'r' })).toBe(1);
    await server.resetStats();
    for (const token of ['v', 'w', 'x']) {
      const [granted, left] = (await lock.place(token)) as number[];
      expect(granted).toBe(0);
      expect(left).toBeGreaterThan(18_000);
      expect(left).toBeLessThanOrEqual(20_000);
    }
    expect(await counted()).toBe(1);
  });

  test('is not counted for a try, however often the last of them leaves', async () => {
    await reader('long', { ttl: 20_000 });
    await server.resetStats();
    for (const token of ['u', 'v', 'w']) {
      await reader(`longer-than-${token}`, { ttl: 60_000 });
      expect(await lock.free(`longer-than-${token}`, { mode: 'r' })).toBe(1);
      const [granted, left] = (await lock.claim(token)) as number[];
      expect(granted).toBe(0);
      expect(left).toBeGreaterThan(18_000);
      expect(left).toBeLessThanOrEqual(60_000);
    }
    expect(await counted()).toBe(0);
    const [, left] = (await lock.place('waits')) as number[];
    expect(left).toBeLessThanOrEqual(20_000);
    expect(await counted()).toBe(1);
  });

  test('needs no counting where they renew, or another stays as long', async () => {
    await reader('long', { ttl: 60_000 });
    await reader('short', { ttl: 3_000 });
    await reader('longer', { ttl: 80_000 });
    expect(await lock.free('longer', { mode: 'r' })).toBe(1);
    await reader('newest', { ttl: 90_000 });
    expect(await lock.renew('short', 4_000, 1, 'r')).toBe(1);
    await server.resetStats();
    const [, left] = (await lock.claim('w')) as number[];
    expect(left).toBeGreaterThan(88_000);
    expect(left).toBeLessThanOrEqual(90_000);
    await lock.free('newest', { mode: 'r' });
    expect(await lock.renew('long', 100_000, 1, 'r')).toBe(1);
    expect(((await lock.claim('w')) as number[])[1]).toBeGreaterThan(98_000);
    expect(await counted()).toBe(0);
  });
});
