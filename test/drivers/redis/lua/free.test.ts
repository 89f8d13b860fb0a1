import { beforeEach, describe, expect, test } from '@jest/globals';
import { until } from '../../../support/wait.js';
import { redis, server, serverForAll } from '../support/stage.js';
import { listen, StoredLock } from '../support/stored.js';

serverForAll();

let lock: StoredLock;
beforeEach(() => {
  lock = new StoredLock(redis);
});

describe('a free of a writer’s hold', () => {
  test('leaves only the fence, and made twice does no harm', async () => {
    const fence = (await lock.claim('t')) as number;
    expect(await lock.free('t')).toBe(1);
    expect(await lock.fields()).toEqual({ v: '2', f: `${fence + 63}` });
    expect(await lock.free('t')).toBe(0);
  });

  test('by another token does nothing', async () => {
    await lock.claim('t');
    expect(await lock.free('u')).toBe(0);
    expect(await lock.free('p')).toBe(0);
    expect(await lock.holder()).toBe('t');
    await lock.place('u');
    expect(await lock.free('x')).toBe(0);
    expect(await lock.holder()).toBe('t');
  });

  test('when its time is up tells so, with and without a queue', async () => {
    await lock.claim('t');
    await lock.expire();
    expect(await lock.free('t')).toBe(0);
    expect(await lock.holder()).toBeUndefined();
    await lock.claim('t');
    await lock.place('u');
    await lock.expire();
    expect(await lock.free('t')).toBe(0);
    expect(await lock.holder()).toBe('u');
  });

  test('that is being revoked frees it too', async () => {
    const fence = (await lock.claim('t')) as number;
    expect(await lock.revoke(fence, 5_000)).toBe(1);
    expect((await lock.hold()).sequence).toBe('r');
    expect(await lock.free('t')).toBe(1);
    expect(await lock.holder()).toBeUndefined();
  });

  test('of one that has only a place gives that up', async () => {
    await lock.claim('t');
    await lock.place('u');
    await lock.place('v');
    expect(await lock.free('u')).toBe(0);
    expect(await lock.queue()).toEqual(['v']);
    expect(await lock.field('@u')).toBeNull();
  });

  test('tells of a fence that it was used under, and the next is larger; a smaller one changes nothing', async () => {
    const fence = (await lock.claim('t')) as number;
    const ahead = 4_000_000_000_000_000;
    await lock.free('t', { used: ahead });
    expect(await lock.field('f')).toBe(`${ahead}`);
    expect(await lock.claim('u')).toBe(ahead + 1);
    await lock.free('u', { used: fence });
    expect(await lock.field('f')).toBe(`${ahead + 64}`);
    // Not of a hold that it has no more: another's fences may be larger by then.
    await lock.free('t', { used: ahead + 1_000_000 });
    expect(await lock.field('f')).toBe(`${ahead + 64}`);
  });
});

describe('a free with a time to rest', () => {
  test('of a writer: nobody gets the key for so long, and there is no holder', async () => {
    await lock.claim('t');
    const before = Math.floor(await lock.now());
    expect(await lock.free('t', { keep: 4_000 })).toBe(1);
    const rest = await lock.hold();
    expect(rest.rest).toEqual(['-', '-', '{}']);
    expect(rest.fence).toBe(0);
    expect(rest.until).toBeGreaterThanOrEqual(before + 4_000);
    expect(rest.until).toBeLessThanOrEqual((await lock.now()) + 4_000);
    for (const mode of ['w', 'r'] as const) {
      const [granted, left] = (await lock.claim('u', { mode })) as number[];
      expect(granted).toBe(0);
      expect(left).toBeLessThanOrEqual(4_000);
      expect(left).toBeGreaterThan(500);
    }
    await lock.expire();
    expect(await lock.claim('u')).toMatchObject([1, {}, 10_000, '']);
  });

  test('of a reader: writers stay out for so long, readers do not', async () => {
    await lock.claim('t', { mode: 'r' });
    await lock.free('t', { mode: 'r', keep: 4_000 });
    const [granted, left] = (await lock.claim('w')) as number[];
    expect(granted).toBe(0);
    expect(left).toBeLessThanOrEqual(4_000);
    expect(left).toBeGreaterThan(500);
    expect(await lock.claim('r', { mode: 'r' })).toMatchObject([1, {}, 10_000, '']);
    expect(await lock.claim('r2', { mode: 'r', limit: 2 })).toMatchObject([0, {}, 0, 0]);
    await lock.free('r', { mode: 'r' });
    await lock.expire('s:-t');
    expect(await lock.claim('w')).toMatchObject([1, {}, 10_000, '']);
  });

  test('of one that is longer than other readers is the latest end', async () => {
    await lock.claim('a', { mode: 'r', ttl: 2_000 });
    await lock.claim('b', { mode: 'r', ttl: 1_000 });
    await lock.free('b', { mode: 'r', keep: 30_000 });
    const [, left] = (await lock.claim('w')) as number[];
    expect(left).toBeGreaterThan(26_000);
    const [count, earliest] = (await lock.field('c'))!.split(' ').map(Number);
    expect(count).toBe(2);
    expect(earliest! - (await lock.now())).toBeLessThan(2_000);
  });

  test('of one that is shorter than other readers leaves theirs as it is', async () => {
    await lock.claim('a', { mode: 'r', ttl: 30_000 });
    await lock.claim('b', { mode: 'r', ttl: 20_000 });
    await lock.free('b', { mode: 'r', keep: 2_000 });
    const [count, earliest, latest] = (await lock.field('c'))!.split(' ').map(Number);
    expect([count, latest]).toEqual([2, (await lock.hold('s:a')).until]);
    expect(earliest).toBe((await lock.hold('s:-b')).until);
  });

  test('tells the process of the first place, and no other, when to look', async () => {
    const { listeners } = await listen(server.client(), 2);
    const [one, two] = listeners as [(typeof listeners)[0], (typeof listeners)[0]];
    await lock.claim('t');
    await lock.place('a', { process: one.process });
    await lock.place('b', { process: two.process });
    await lock.free('t', { keep: 4_000 });
    await until(() => one.messages.length > 0, 5_000, 'the message');
    const [, ms, key] = /^look (\d+) (.*)$/.exec(one.messages[0]!)!;
    expect(key).toBe(lock.key);
    expect(Number(ms)).toBe(4_000);
    expect(await lock.holder()).toBe('-');
    expect(await lock.queue()).toEqual(['a', 'b']);
    expect([one.messages.length, two.messages.length]).toEqual([1, 0]);
  });

  test('does not rest a key that it did not hold', async () => {
    await lock.claim('t');
    await lock.expire();
    expect(await lock.free('t', { keep: 4_000 })).toBe(0);
    expect(await lock.claim('u')).toEqual(expect.any(Number));
  });
});
