import { beforeEach, describe, expect, test } from '@jest/globals';
import { redis, serverForAll } from '../support/stage.js';
import { StoredLock } from '../support/stored.js';

serverForAll();

let lock: StoredLock;
beforeEach(() => {
  lock = new StoredLock(redis);
});

test('places are given up, whatever they have become, and those behind come in', async () => {
  await lock.claim('t');
  for (const token of ['a', 'b', 'c', 'd']) await lock.place(token);
  expect(await lock.leave(['a', 'c', 'nobody'])).toBe(0);
  expect(await lock.queue()).toEqual(['b', 'd']);
  expect((await lock.stamp())![0]).toBe(2);
  await lock.free('t');
  // Granted meanwhile.
  expect(await lock.holder()).toBe('b');
  expect(await lock.leave(['b'])).toBe(0);
  expect(await lock.holder()).toBe('d');
});

test('a reader’s hold ends, and a writer behind it comes in', async () => {
  await lock.claim('a', { mode: 'r' });
  await lock.claim('b', { mode: 'r' });
  await lock.place('w');
  await lock.leave(['a']);
  expect((await lock.field('c'))!.split(' ')[0]).toBe('1');
  await lock.leave(['b', 'b']);
  expect(await lock.holder()).toBe('w');
  expect(await lock.field('c')).toBeNull();
});

test('the writer at the head that leaves lets the readers behind in at once', async () => {
  await lock.claim('a', { mode: 'r' });
  await lock.place('w');
  for (const token of ['b', 'c']) await lock.place(token, { mode: 'r' });
  await lock.leave(['w']);
  expect((await lock.field('c'))!.split(' ')[0]).toBe('3');
});

describe('a token that may still come', () => {
  test('is refused for a minute, by a claim with a place or without, and by no other', async () => {
    await lock.leave(['t'], { late: true });
    const ends = Number(await lock.field('x:t'));
    expect(ends - (await lock.now())).toBeLessThanOrEqual(60_000);
    expect(ends - (await lock.now())).toBeGreaterThan(56_000);
    for (const options of [{}, { vouch: 5_000 }, { mode: 'r' as const }])
      expect(await lock.claim('t', options)).toEqual([0, 0, 0, 0]);
    expect(await lock.queue()).toEqual([]);
    expect(await lock.holder()).toBeUndefined();
    expect(await lock.claim('u')).toMatchObject([1, {}, 10_000, '']);
  });

  test('is forgotten after that, with all that was kept for it', async () => {
    await lock.leave(['t', 'u'], { late: true });
    await lock.free('v', { late: true });
    expect(await lock.field('x')).toBe('1 4');
    const past = Math.floor(await lock.now()) - 1;
    for (const [n, token] of ['t', 'u', 'v'].entries()) {
      await lock.set(`x#${n + 1}`, `${past} ${token}`);
      await lock.set(`x:${token}`, past);
    }
    expect(await lock.claim('t')).toMatchObject([1, {}, 10_000, '']);
    const names = Object.keys(await lock.fields()).filter((name) => name.startsWith('x'));
    expect(names).toEqual([]);
  });

  test('is not forgotten too early where it was refused twice', async () => {
    await lock.leave(['t'], { late: true });
    await lock.leave(['t'], { late: true });
    const past = Math.floor(await lock.now()) - 1;
    await lock.set('x#1', `${past} t`);
    await lock.leave([], { late: false });
    await lock.claim('u');
    expect(await lock.claim('t')).toEqual([0, 0, 0, 0]);
    expect(await lock.field('x')).toBe('2 3');
  });

  test('takes no more room than those of the last minute, however many there were', async () => {
    const past = Math.floor(await lock.now()) - 1;
    const old: Record<string, string | number> = { v: '2', x: '1 1001' };
    for (let n = 1; n <= 1_000; n++)
      Object.assign(old, { [`x#${n}`]: `${past} old${n}`, [`x:old${n}`]: past });
    await redis.hset(lock.key, old);
    for (let n = 0; n < 20; n++) await lock.leave([`new${n}`], { late: true });
    const names = Object.keys(await lock.fields()).filter((name) => name.startsWith('x:'));
    expect(names.sort()).toEqual(Array.from({ length: 20 }, (_, n) => `x:new${n}`).sort());
    expect(await lock.field('x')).toBe('1001 1021');
  });

  test('a place that it has is given up with it', async () => {
    await lock.claim('t');
    await lock.place('u');
    await lock.leave(['u'], { late: true });
    expect(await lock.queue()).toEqual([]);
    expect(await lock.place('u')).toEqual([0, 0, 0, 0]);
    expect(await lock.queue()).toEqual([]);
  });

  test('of a hold that is freed is refused too', async () => {
    await lock.claim('t');
    expect(await lock.free('t', { late: true })).toBe(1);
    expect(await lock.claim('t')).toEqual([0, 0, 0, 0]);
  });

  test('unless nothing says so: then it is a new claim', async () => {
    await lock.claim('t');
    await lock.leave(['t']);
    expect(await lock.claim('t')).toEqual(expect.any(Number));
  });
});
