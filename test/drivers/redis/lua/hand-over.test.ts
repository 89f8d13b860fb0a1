import { beforeEach, describe, expect, test } from '@jest/globals';
import { endHold } from '../../../support/stored-lock.js';
import { sleep, until } from '../../../support/wait.js';
import { redis, server, serverForAll } from '../support/stage.js';
import { listen, StoredLock } from '../support/stored.js';

serverForAll();

let lock: StoredLock;
beforeEach(async () => {
  lock = new StoredLock(redis);
});

/** What a message that the lock was handed over says. */
function granted(text: string | undefined): { fence: number; token: string; run: string; key: string } {
  const [, fence, token, run, key] = /^granted (\d+) (\S+) (\S*) (.*)$/s.exec(text ?? '') ?? [];
  if (!key) throw new Error(`expected a grant, got ${text}`);
  return { fence: Number(fence), token: token!, run: run!, key };
}

describe('a free with a queue', () => {
  test('hands the lock to the first place, with its own ttl, a larger fence, and a message', async () => {
    const { listeners } = await listen(server.client());
    const { process, messages } = listeners[0]!;
    const fence = (await lock.claim('t')) as number;
    await lock.place('a', { process, ttl: 3_000, meta: '{"who":"a"}' });
    await lock.place('b');
    expect(await lock.free('t', { counted: true })).toBe(1);
    const hold = await lock.hold();
    expect(hold.rest).toEqual([process, 'a', '{"who":"a"}']);
    expect(hold.until - hold.since).toBe(3_000);
    expect(hold.sequence).toBe('0');
    expect(hold.fence).toBeGreaterThanOrEqual(fence + 64);
    expect(await lock.field('f')).toBe(`${hold.fence + 63}`);
    expect(await lock.queue()).toEqual(['b']);
    expect(await lock.field('@a')).toBeNull();
    expect(await lock.stamp(process)).toBeUndefined();
    await until(() => messages.length > 0, 5_000, 'the message');
    expect(messages).toEqual([`granted ${hold.fence} a  ${lock.key}`]);
  });

  test('gives fences that grow by the 64 reserved where the clock does not', async () => {
    await lock.claim('t');
    const ahead = 4_000_000_000_000_000;
    await lock.set('f', ahead);
    for (const token of ['a', 'b']) await lock.place(token);
    await lock.free('t');
    expect((await lock.hold()).fence).toBe(ahead + 1);
    await lock.free('a');
    expect((await lock.hold()).fence).toBe(ahead + 65);
  });

  test('names the run: the writers of that process right behind, in order', async () => {
    const { listeners } = await listen(server.client(), 2);
    const [one, two] = listeners as [(typeof listeners)[0], (typeof listeners)[0]];
    await lock.claim('t');
    for (const token of ['a', 'b', 'gone', 'c']) await lock.place(token, { process: one.process });
    await lock.place('x', { process: two.process });
    await lock.place('d', { process: one.process });
    await lock.leave(['gone']);
    await lock.free('t');
    await until(() => one.messages.length > 0, 5_000, 'the message');
    expect(granted(one.messages[0])).toMatchObject({ token: 'a', run: 'b,c' });
    await lock.free('a', { served: ['b', 'c'] });
    await until(() => two.messages.length > 0, 5_000, 'the message');
    expect(granted(two.messages[0])).toMatchObject({ token: 'x', run: '' });
    expect(await lock.queue()).toEqual(['d']);
  });

  test('the run ends before a reader, and has at most 63', async () => {
    await lock.claim('t');
    await lock.place('a');
    await lock.place('b');
    await lock.place('r', { mode: 'r' });
    await lock.place('c');
    await lock.free('t');
    expect(((await lock.place('a')) as unknown[])[3]).toBe('b');
    const long = new StoredLock(redis);
    await long.claim('t');
    for (let i = 0; i < 70; i++) await long.place(`w${i}`);
    await long.free('t');
    const [, , , run] = (await long.place('w0')) as [number, number, number, string];
    expect(run.split(',')).toEqual(Array.from({ length: 63 }, (_, i) => `w${i + 1}`));
  });

  test('the run is found behind any number of places that were dropped', async () => {
    await lock.claim('t');
    const dead = 600;
    const fields: Record<string, string> = { q: `1 ${dead + 1} ${dead}`, '~dead': `${dead} 1 0` };
    for (let n = 1; n <= dead; n++)
      Object.assign(fields, { [`#${n}`]: `d${n} w 0 1000 1 dead {}`, [`@d${n}`]: `${n}` });
    await redis.hset(lock.key, fields);
    for (const token of ['a', 'b']) await lock.place(token);
    await lock.free('t');
    expect(((await lock.place('a')) as unknown[])[3]).toBe('b');
  });

  test('those who were served lose their places, and the queue goes on behind them', async () => {
    await lock.claim('t');
    for (const token of ['a', 'b', 'c', 'd']) await lock.place(token);
    await lock.free('t');
    expect(await lock.free('a', { served: ['b', 'c'] })).toBe(1);
    expect(await lock.holder()).toBe('d');
    expect(await lock.queue()).toEqual([]);
    expect(await lock.field('q')).toBeNull();
    expect(await lock.stamp()).toBeUndefined();
  });

  test('tells the process of the first place first, of many that enter together', async () => {
    const { all, listeners } = await listen(server.client(), 5);
    await lock.claim('t');
    for (const [i, { process }] of listeners.entries()) await lock.place(`r${i}`, { mode: 'r', process });
    await lock.free('t');
    await until(() => all.length === 5, 5_000, 'the messages');
    // Redis writes first to the client that it has last something for.
    expect(all.map((text) => granted(text).token)).toEqual(['r4', 'r3', 'r2', 'r1', 'r0']);
  });
});

describe('a place whose process does not vouch any more', () => {
  test('is dropped with the whole process, and not a moment before', async () => {
    await lock.claim('t');
    for (const token of ['a', 'b']) await lock.place(token, { process: 'dead' });
    await lock.place('c', { process: 'alive' });
    const later = Math.floor(await lock.now()) + 20_000;
    await lock.set('~dead', `2 ${later} 0`);
    await lock.free('t');
    expect(await lock.holder()).toBe('a');
    await lock.free('a');
    expect(await lock.holder()).toBe('b');
    await lock.place('d', { process: 'dead', vouch: 1 });
    await sleep(5);
    await lock.free('b');
    await lock.free('c');
    expect(await lock.holder()).toBeUndefined();
    expect(await lock.queue()).toEqual([]);
    expect((await lock.fields())['~dead']).toBeUndefined();
    expect(await lock.field('@d')).toBeNull();
  });
});

describe('where subscribers are counted, a place whose process does not listen', () => {
  test('is passed over and keeps its place; the process is missing from then on', async () => {
    const { listeners } = await listen(server.client());
    const { process } = listeners[0]!;
    await lock.claim('t');
    await lock.place('a', { process: 'away' });
    await lock.place('b', { process });
    const before = Math.floor(await lock.now());
    await lock.free('t', { counted: true });
    expect(await lock.holder()).toBe('b');
    expect(await lock.queue()).toEqual(['a']);
    const [count, , missing] = (await lock.stamp('away'))!;
    expect(count).toBe(1);
    expect(missing).toBeGreaterThanOrEqual(before);
    expect(missing).toBeLessThanOrEqual(await lock.now());
    // It is there again.
    await lock.claim('a', { process: 'away', vouch: 60_000 });
    await lock.free('b');
    expect(await lock.holder()).toBe('a');
  });

  test('is dropped when it has been missing for 3 s, not before', async () => {
    const missingFor = async (ms: number) => {
      lock = new StoredLock(redis);
      await lock.claim('t');
      await lock.place('a', { process: 'away' });
      const now = Math.floor(await lock.now());
      await lock.set('~away', `1 ${now + 60_000} ${now - ms}`);
      await lock.free('t', { counted: true });
      return lock.queue();
    };
    expect(await missingFor(3_000)).toEqual([]);
    expect(await missingFor(2_500)).toEqual(['a']);
    // Since when, is not forgotten because it is seen again.
    expect((await lock.now()) - (await lock.stamp('away'))![2]!).toBeGreaterThanOrEqual(2_500);
  });

  test('is not counted by who listens to all channels', async () => {
    const spy = server.client();
    await spy.psubscribe('*');
    await lock.claim('t');
    await lock.place('a', { process: 'away' });
    await lock.place('b', { process: 'away-too' });
    await lock.free('t', { counted: true });
    expect(await lock.holder()).toBeUndefined();
    expect(await lock.queue()).toEqual(['a', 'b']);
  });

  test('does not keep a try out, but is in nobody’s way for long: a try with a place before it waits', async () => {
    await lock.claim('t');
    await lock.place('a', { process: 'away' });
    await lock.free('t', { counted: true });
    expect(await lock.claim('u', { counted: true })).toMatchObject([1, expect.any(Number), 10_000, '']);
    expect(await lock.queue()).toEqual(['a']);
  });

  test('gets in by a try of its own, and its place is gone', async () => {
    await lock.claim('t');
    await lock.place('a', { process: 'away' });
    await lock.free('t', { counted: true });
    expect(await lock.claim('a', { process: 'away', counted: true })).toMatchObject([1, {}, 10_000, '']);
    expect(await lock.queue()).toEqual([]);
  });
});

describe('one run of a script does so much at most, and says that there is more', () => {
  test('128 readers are granted; the rest by leave', async () => {
    await lock.claim('t');
    for (let i = 0; i < 200; i++) await lock.place(`r${i}`, { mode: 'r' });
    expect(await lock.free('t')).toBe(3);
    expect((await lock.field('c'))!.split(' ')[0]).toBe('128');
    expect(await lock.queue()).toHaveLength(72);
    expect(await lock.leave([])).toBe(0);
    expect((await lock.field('c'))!.split(' ')[0]).toBe('200');
    expect(await lock.queue()).toEqual([]);
  });

  test('so too where it is a claim that finds the lock free', async () => {
    await lock.claim('t');
    for (let i = 0; i < 300; i++) await lock.place(`r${i}`, { mode: 'r' });
    await endHold(redis, lock.key);
    expect(await lock.claim('u')).toMatchObject([0, {}, 172, 0, 1]);
    expect(await lock.claim('r128', { mode: 'r', vouch: 60_000 })).toMatchObject([1, {}, {}, '', 1]);
    expect(await lock.queue()).toHaveLength(44);
    expect(await lock.claim('u')).toHaveLength(4);
    expect(await lock.queue()).toEqual([]);
  });

  test('so too where readers enter behind a reader that frees', async () => {
    await lock.claim('r', { mode: 'r' });
    await lock.place('w');
    for (let i = 0; i < 129; i++) await lock.place(`r${i}`, { mode: 'r' });
    expect(await lock.leave(['w'])).toBe(1);
    expect(await lock.free('r', { mode: 'r' })).toBe(1);
    expect((await lock.field('c'))!.split(' ')[0]).toBe('129');
  });

  test('1000 dead places are dropped, and then the live one behind is granted', async () => {
    await lock.claim('t');
    const dead = 2_500;
    const fields: Record<string, string> = { q: `1 ${dead + 1} ${dead}`, '~dead': `${dead} 1 0` };
    for (let n = 1; n <= dead; n++)
      Object.assign(fields, { [`#${n}`]: `d${n} w 0 1000 1 dead {}`, [`@d${n}`]: `${n}` });
    await redis.hset(lock.key, fields);
    await lock.place('live', { process: 'live' });
    expect(await lock.free('t')).toBe(3);
    expect(await lock.queue()).toHaveLength(dead - 1_000 + 1);
    expect(await lock.leave([])).toBe(1);
    expect(await lock.leave([])).toBe(0);
    expect(await lock.holder()).toBe('live');
    expect(await lock.field('q')).toBeNull();
  });

  test('10,000 places that were given up hold up nobody behind them', async () => {
    await lock.claim('t');
    await redis.hset(lock.key, { q: '1 25001 0' });
    await lock.place('live');
    expect(await lock.field('#25001')).toMatch(/^live /);
    expect(await lock.free('t')).toBe(3);
    expect(await lock.leave([])).toBe(1);
    expect(await lock.leave([])).toBe(0);
    expect(await lock.holder()).toBe('live');
  });

  test('with a missing place before as many, it does not ask for more in vain', async () => {
    await lock.claim('t');
    await lock.place('a', { process: 'away' });
    await lock.set('q', '1 25002 1');
    await lock.place('live', { process: 'p' });
    expect(await lock.free('t', { counted: true })).toBe(1);
  });
});
