import { beforeEach, describe, expect, test } from '@jest/globals';
import { redis, serverForAll } from '../support/stage.js';
import { DAY, renewAll, StoredLock } from '../support/stored.js';

serverForAll();

let lock: StoredLock;
beforeEach(() => {
  lock = new StoredLock(redis);
});

/** That the hold, or the hash, ends in so many ms from now. */
async function endsIn(ms: number, name = 'h'): Promise<void> {
  const left = (await lock.hold(name)).until - (await lock.now());
  expect(left).toBeLessThanOrEqual(ms);
  expect(left).toBeGreaterThan(ms - 3_500);
}
async function livesFor(ms: number): Promise<void> {
  const life = await lock.life();
  expect(life).toBeLessThanOrEqual(ms);
  expect(life).toBeGreaterThan(ms - 3_500);
}

describe('a renewal of a writer’s hold', () => {
  test('sets the time left, longer or shorter, and nothing else', async () => {
    const fence = await lock.claim('t', { ttl: 5_000, process: 'me', meta: '{"a":"b c"}' });
    const before = await lock.hold();
    expect(await lock.renew('t', 60_000, 1)).toBe(1);
    await endsIn(60_000);
    await livesFor(DAY + 60_000);
    const after = await lock.hold();
    expect({ ...after, until: 0, sequence: '0' }).toEqual({ ...before, until: 0 });
    expect([after.sequence, after.fence]).toEqual(['1', fence]);
    expect(await lock.renew('t', 3_000, 2)).toBe(1);
    await endsIn(3_000);
    await livesFor(DAY + 3_000);
  });

  test('that comes late, after a later one or a second time, changes nothing', async () => {
    await lock.claim('t');
    expect(await lock.renew('t', 60_000, 5)).toBe(1);
    const stored = await lock.field('h');
    expect(await lock.renew('t', 1_000, 4)).toBe(1);
    expect(await lock.renew('t', 1_000, 5)).toBe(1);
    expect(await lock.field('h')).toBe(stored);
    expect(await lock.renew('t', 1_000, 10)).toBe(1);
    await endsIn(1_000);
  });

  test('revives none whose time is up, and takes no other’s', async () => {
    await lock.claim('t');
    expect(await lock.renew('u', 60_000, 1)).toBe(0);
    expect(await lock.renew('t', 60_000, 1, 'r')).toBe(0);
    await lock.expire();
    const stored = await lock.fields();
    expect(await lock.renew('t', 60_000, 1)).toBe(0);
    expect(await lock.fields()).toEqual(stored);
    expect(await new StoredLock(redis).renew('t', 60_000, 1)).toBe(0);
  });

  test('of a key that rests is lost', async () => {
    await lock.claim('t');
    await lock.free('t', { keep: 5_000 });
    expect(await lock.renew('t', 60_000, 1)).toBe(0);
    await endsIn(5_000);
  });

  test('of a hold that is being revoked tells in how many ms it ends, and does not prolong it', async () => {
    const fence = (await lock.claim('t')) as number;
    await lock.revoke(fence, 4_000);
    const answer = (await lock.renew('t', 60_000, 7)) as number;
    expect(answer).toBeGreaterThanOrEqual(-4_001);
    expect(answer).toBeLessThan(-500);
    await endsIn(4_000);
    await lock.expire();
    expect(await lock.renew('t', 60_000, 8)).toBe(-1);
  });
});

describe('a renewal of a reader’s hold', () => {
  test('moves its own end and the bounds of all', async () => {
    await lock.claim('t', { mode: 'r', ttl: 2_000, limit: 5, process: 'me' });
    const before = await lock.hold('s:t');
    expect(await lock.renew('t', 60_000, 1, 'r')).toBe(1);
    await endsIn(60_000, 's:t');
    await livesFor(DAY + 60_000);
    const after = await lock.hold('s:t');
    expect(after.rest).toEqual(before.rest);
    expect(after.sequence).toBe('1');
    // The earliest end is a bound: it need not have moved with it.
    expect(await lock.field('c')).toBe(`1 ${before.until} ${after.until} 1`);
  });

  test('that shortens does not shorten the others, nor let a writer in beside them', async () => {
    await lock.claim('short', { mode: 'r', ttl: 10_000 });
    await lock.claim('long', { mode: 'r', ttl: 30_000 });
    expect(await lock.renew('short', 300, 1, 'r')).toBe(1);
    await endsIn(30_000, 's:long');
    await livesFor(DAY + 30_000);
    const [count, earliest, latest, exact] = (await lock.field('c'))!.split(' ').map(Number);
    expect([count, exact]).toEqual([2, 1]);
    expect(earliest).toBe((await lock.hold('s:short')).until);
    expect(latest).toBe((await lock.hold('s:long')).until);
    await lock.expire('s:short');
    const [granted, left] = (await lock.claim('w')) as number[];
    expect(granted).toBe(0);
    expect(left).toBeGreaterThan(26_000);
    expect((await lock.field('c'))!.split(' ')[0]).toBe('1');
  });

  test('of the longest that shortens is seen by who asks how long it takes', async () => {
    await lock.claim('a', { mode: 'r', ttl: 60_000 });
    await lock.renew('a', 6_000, 1, 'r');
    const [, left] = (await lock.place('w')) as number[];
    expect(left).toBeLessThanOrEqual(6_000);
    expect(left).toBeGreaterThan(2_000);
  });

  test('revives none whose time is up', async () => {
    await lock.claim('t', { mode: 'r' });
    await lock.expire('s:t');
    expect(await lock.renew('t', 60_000, 1, 'r')).toBe(0);
    expect(await lock.renew('u', 60_000, 1, 'r')).toBe(0);
  });
});

test('many in one: each has its answer, in order', async () => {
  const locks = Array.from({ length: 128 }, () => new StoredLock(redis));
  for (const [i, one] of locks.entries())
    if (i % 3 > 0) await one.claim('t', { mode: i % 3 === 1 ? 'w' : 'r' });
  const answers = await renewAll(
    redis,
    locks.map((one, i) => [one, 't', i % 3 === 2 ? 'r' : 'w', 20_000 + i, 1]),
  );
  expect(answers).toEqual(locks.map((_, i) => (i % 3 === 0 ? 0 : 1)));
  for (const i of [1, 2, 124, 125]) {
    lock = locks[i]!;
    await endsIn(20_000 + i, i % 3 === 1 ? 'h' : 's:t');
  }
});
