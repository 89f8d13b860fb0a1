import { beforeEach, expect, test } from '@jest/globals';
import { redis, serverForAll } from '../support/stage.js';
import { StoredLock } from '../support/stored.js';

serverForAll();

let lock: StoredLock;
beforeEach(() => {
  lock = new StoredLock(redis);
});

type Read = [now: number, hold: string, shared: string[], waiters: number, places: string[]];

test('of a key that nobody has ever held, nothing, and nothing is stored', async () => {
  const before = Math.floor(await lock.now());
  const [now, ...rest] = (await lock.read()) as Read;
  expect(rest).toEqual(['', [], 0, []]);
  expect(now).toBeGreaterThanOrEqual(before);
  expect(now).toBeLessThanOrEqual(await lock.now());
  expect(await redis.exists(lock.key)).toBe(0);
});

test('a writer’s hold and who waits, in order, as they are stored', async () => {
  await lock.claim('t', { meta: '{"who":"t"}' });
  for (const token of ['a', 'b', 'c', 'd']) await lock.place(token);
  await lock.leave(['b']);
  const before = await lock.fields();
  const [, hold, shared, waiters, places] = (await lock.read()) as Read;
  expect(hold).toBe(before.h);
  expect(shared).toEqual([]);
  expect(waiters).toBe(3);
  expect(places).toEqual([before['#1'], before['#3'], before['#4']]);
  expect(await lock.fields()).toEqual(before);
});

test('of those who wait so many as are asked for, and the count of all', async () => {
  await lock.claim('t');
  for (let i = 0; i < 7; i++) await lock.place(`w${i}`);
  const [, , , waiters, places] = (await lock.read(3)) as Read;
  expect(waiters).toBe(7);
  expect(places.map((place) => place.split(' ')[0])).toEqual(['w0', 'w1', 'w2']);
});

test('all readers, by token and record', async () => {
  for (let i = 0; i < 150; i++) await lock.claim(`r${i}`, { mode: 'r' });
  await lock.free('r7', { mode: 'r', keep: 5_000 });
  const [, hold, shared] = (await lock.read()) as Read;
  expect(hold).toBe('');
  const stored = await lock.fields();
  const read = Object.fromEntries(
    Array.from({ length: shared.length / 2 }, (_, i) => [`s:${shared[2 * i]}`, shared[2 * i + 1]]),
  );
  expect(read).toEqual(Object.fromEntries(Object.entries(stored).filter(([name]) => name.startsWith('s:'))));
  expect(read['s:-r7']).toBeDefined();
  expect(Object.keys(read)).toHaveLength(150);
});
