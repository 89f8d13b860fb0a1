import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { until } from '../../../support/wait.js';
import { freshKey } from '../support/rig.js';
import { redis, server, serverForAll } from '../support/stage.js';
import { listen, renewAll, StoredLock } from '../support/stored.js';

serverForAll();

let lock: StoredLock;
beforeEach(() => {
  lock = new StoredLock(redis);
});
afterEach(async () => {
  await redis.config('SET', 'maxmemory', '0');
});

// With maxmemory-policy noeviction, which locks ask for: commands that need memory are refused.
const fill = () => redis.config('SET', 'maxmemory', '1');

test('a full Redis grants nothing, and says why', async () => {
  await fill();
  await expect(lock.claim('t')).rejects.toThrow('OOM');
  expect(await redis.exists(lock.key)).toBe(0);
});

test.each([['w'], ['r']] as const)(
  'a full Redis gives no place, and lets none in that has one, mode %s',
  async (mode) => {
    const fence = (await lock.claim('t')) as number;
    await lock.free('t');
    await fill();
    await expect(lock.place('u', { mode: 'r' })).rejects.toThrow('OOM');
    await redis.config('SET', 'maxmemory', '0');
    // Of a process that is gone: it would be dropped, and the lock free.
    await redis.hset(lock.key, { q: '1 2 1', '#1': 'd w 0 1000 1 dead {}', '@d': '1', '~dead': '1 1 0' });
    await fill();
    await expect(lock.place('u', { mode })).rejects.toThrow('OOM');
    await expect(lock.claim('u', { mode })).rejects.toThrow('OOM');
    expect(await lock.queue()).toEqual(['d']);
    expect(await lock.field('f')).toBe(`${fence + 63}`);
  },
);

test('in a full Redis a claim hands over what a holder left whose time is up', async () => {
  const { listeners } = await listen(server.client());
  const { process, messages } = listeners[0]!;
  await lock.claim('t');
  await lock.place('a', { process });
  await lock.expire();
  await fill();
  expect(await lock.claim('u')).toMatchObject([0, {}, 0, 0]);
  expect(await lock.holder()).toBe('a');
  await until(() => messages.length > 0, 5_000, 'the message');
  expect(messages).toEqual([expect.stringContaining(' a  ')]);
});

test.each([['w'], ['r']] as const)('a full Redis renews, mode %s', async (mode) => {
  const other = new StoredLock(redis);
  for (const one of [lock, other]) await one.claim('t', { mode });
  await fill();
  const answers = await renewAll(redis, [
    [lock, 't', mode, 60_000, 1],
    [other, 't', mode, 60_000, 1],
  ]);
  expect(answers).toEqual([1, 1]);
  const left = (await other.hold(mode === 'w' ? 'h' : 's:t')).until - (await lock.now());
  expect(left).toBeGreaterThan(56_000);
});

test('a full Redis takes a free, with nobody waiting and with some', async () => {
  await lock.claim('t');
  await fill();
  expect(await lock.free('t')).toBe(1);
  await redis.config('SET', 'maxmemory', '0');
  await lock.claim('t');
  for (const token of ['a', 'b']) await lock.place(token);
  await fill();
  expect(await lock.free('t')).toBe(1);
  expect(await lock.holder()).toBe('a');
  expect(await lock.free('a', { served: ['b'], used: 4_000_000_000_000_000, keep: 1_000, late: true })).toBe(
    1,
  );
  expect(await lock.holder()).toBe('-');
});

test('a full Redis takes a reader’s free, and lets the writer behind it in', async () => {
  for (const token of ['a', 'b']) await lock.claim(token, { mode: 'r' });
  await lock.place('w');
  await fill();
  expect(await lock.free('a', { mode: 'r', keep: 60_000 })).toBe(1);
  expect(await lock.free('b', { mode: 'r' })).toBe(1);
  expect(await lock.queue()).toEqual(['w']);
});

test('a full Redis lets go of places, and of a token that never came', async () => {
  await lock.claim('t');
  for (const token of ['a', 'b']) await lock.place(token);
  await fill();
  expect(await lock.leave(['a'])).toBe(0);
  expect(await lock.leave(['never'], { late: true })).toBe(0);
  expect(await lock.queue()).toEqual(['b']);
  expect(await new StoredLock(redis, freshKey()).leave(['never'], { late: true })).toBe(0);
});

test('a full Redis takes a hold away, at once or with grace', async () => {
  const fence = (await lock.claim('t')) as number;
  await lock.place('u');
  await fill();
  expect(await lock.revoke(fence, 5_000)).toBe(1);
  expect((await lock.hold()).sequence).toBe('r');
  expect(await lock.revoke(fence)).toBe(1);
  expect(await lock.holder()).toBe('u');
});
