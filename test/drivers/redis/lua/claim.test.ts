import { beforeEach, describe, expect, test } from '@jest/globals';
import { redis, serverForAll } from '../support/stage.js';
import { DAY, StoredLock } from '../support/stored.js';

serverForAll();

let lock: StoredLock;
beforeEach(() => {
  lock = new StoredLock(redis);
});

/** Between which server times, in µs, it ran, and what it gave. */
async function timed<T>(run: () => Promise<T>): Promise<{ from: number; value: T; to: number }> {
  const from = (await lock.now()) * 1_000;
  const value = await run();
  return { from, value, to: (await lock.now()) * 1_000 };
}

describe('a writer’s claim of a free key', () => {
  test('answers its fence, the server’s µs, and stores the hold and the largest fence reserved', async () => {
    const { from, value, to } = await timed(() =>
      lock.claim('t', { process: 'me', ttl: 5_000, meta: '{"a":"b c"}' }),
    );
    const fence = value as number;
    expect(fence).toBeGreaterThanOrEqual(from);
    expect(fence).toBeLessThanOrEqual(to);
    const { h, ...others } = await lock.fields();
    expect(others).toEqual({ v: '2', f: `${fence + 63}` });
    const since = Math.floor(fence / 1_000);
    expect(h).toBe(`${since + 5_000} ${fence} 0 ${since} me t {"a":"b c"}`);
  });

  test('lives a day longer than the hold', async () => {
    await lock.claim('t', { ttl: 5_000 });
    const life = await lock.life();
    expect(life).toBeLessThanOrEqual(DAY + 5_000);
    expect(life).toBeGreaterThan(DAY + 1_000);
  });

  test('prolongs the life of the hash once an hour only, but always for a ttl above an hour', async () => {
    const fence = (await lock.claim('t', { ttl: 1_000 })) as number;
    await lock.free('t');
    await redis.pexpire(lock.key, 80_000_000);
    await lock.claim('t', { ttl: 3_600_000 });
    await lock.free('t');
    // In the last hour of the clock, or in this one.
    const sameHour = Math.floor(fence / 3.6e9) === Math.floor((await lock.now()) / 3.6e6);
    if (sameHour) expect(await lock.life()).toBeLessThanOrEqual(80_000_000);
    await lock.claim('t', { ttl: 3_600_001 });
    await lock.free('t');
    expect(await lock.life()).toBeGreaterThan(DAY + 3_500_000);
    await redis.pexpire(lock.key, 80_000_000);
    await lock.set('f', fence - 3.6e9);
    await lock.claim('t', { ttl: 1_000 });
    expect(await lock.life()).toBeGreaterThan(DAY);
  });

  test('has a fence larger than all before, also when the server’s clock has stepped back', async () => {
    const ahead = 4_000_000_000_000_000;
    await lock.claim('t');
    await lock.free('t');
    await lock.set('f', ahead);
    expect(await lock.claim('t')).toBe(ahead + 1);
    expect(await lock.field('f')).toBe(`${ahead + 64}`);
    await lock.free('t');
    expect(await lock.claim('u')).toBe(ahead + 65);
  });

  test('made again, it answers the same fence and what is left', async () => {
    const fence = await lock.claim('t', { ttl: 10_000 });
    await lock.set('h', (await lock.field('h'))!.replace(/^\d+/, `${Math.floor(await lock.now()) + 4_000}`));
    const [granted, same, left, run] = (await lock.claim('t', { ttl: 10_000 })) as [
      number,
      number,
      number,
      string,
    ];
    expect([granted, same, run]).toEqual([1, fence, '']);
    expect(left).toBeLessThanOrEqual(4_000);
    expect(left).toBeGreaterThan(500);
    expect((await lock.hold()).fence).toBe(fence);
  });

  test('after the hold’s time is up it is a new hold, for the same token too', async () => {
    const first = (await lock.claim('t')) as number;
    await lock.expire();
    const second = (await lock.claim('t', { ttl: 3_000 })) as [number, number, number, string];
    expect(second).toEqual([1, expect.any(Number), 3_000, '']);
    expect(second[1]).toBeGreaterThanOrEqual(first + 64);
    expect((await lock.hold()).until - (await lock.hold()).since).toBe(3_000);
  });
});

describe('a claim of a held key', () => {
  test('without a place is refused, with the time left, and stores nothing', async () => {
    await lock.claim('t', { ttl: 8_000 });
    const before = await lock.fields();
    const [granted, left, places, kept] = (await lock.claim('u')) as number[];
    expect([granted, places, kept]).toEqual([0, 0, 0]);
    expect(left).toBeLessThanOrEqual(8_000);
    expect(left).toBeGreaterThan(4_000);
    expect(await lock.fields()).toEqual(before);
  });

  test('with one stands at the end of the queue, and its process is vouched for', async () => {
    await lock.claim('t');
    const { from, to } = await timed(async () => {
      expect(
        (await lock.claim('u', { vouch: 7_000, ttl: 3_000, process: 'me', meta: '{"x":"y"}' })) as number[],
      ).toEqual([0, expect.any(Number), 0, 0]);
    });
    expect(await lock.claim('w', { mode: 'r', limit: 4, vouch: 9_000, process: 'me' })).toMatchObject([
      0,
      {},
      1,
      0,
    ]);
    const fields = await lock.fields();
    expect(fields['#1']).toMatch(/^u w 0 3000 \d+ me \{"x":"y"\}$/);
    expect(fields['#2']).toMatch(/^w r 4 10000 \d+ me \{\}$/);
    const since = Number(fields['#1']!.split(' ')[4]);
    expect(since).toBeGreaterThanOrEqual(Math.floor(from / 1_000));
    expect(since).toBeLessThanOrEqual(to / 1_000);
    expect([fields['@u'], fields['@w'], fields.q]).toEqual(['1', '2', '1 3 2']);
    const [count, until, missing] = (await lock.stamp('me'))!;
    expect([count, missing]).toEqual([2, 0]);
    expect(until! - (await lock.now())).toBeGreaterThan(5_000);
    expect(until! - (await lock.now())).toBeLessThanOrEqual(9_000);
  });

  test('made again keeps the place, and says so', async () => {
    await lock.claim('t');
    await lock.place('u');
    await lock.place('v');
    expect(await lock.place('u')).toMatchObject([0, {}, 0, 1]);
    expect(await lock.place('v')).toMatchObject([0, {}, 1, 1]);
    expect(await lock.queue()).toEqual(['u', 'v']);
    expect((await lock.stamp())![0]).toBe(2);
  });

  test('counts only the places that are left before it', async () => {
    await lock.claim('t');
    for (const token of ['a', 'b', 'c']) await lock.place(token);
    await lock.leave(['a']);
    expect(await lock.place('c')).toMatchObject([0, {}, 1, 1]);
    expect(await lock.place('b')).toMatchObject([0, {}, 0, 1]);
  });

  test('vouches for all places of its process, also where nobody is seen to listen', async () => {
    await lock.claim('t');
    for (const token of ['a', 'b']) await lock.place(token, { process: 'me', counted: true });
    await lock.expire();
    expect(await lock.place('b', { process: 'me', counted: true })).toMatchObject([0, {}, 0, 1]);
    expect(await lock.holder()).toBe('a');
  });

  test('by a process that is missing, ends that', async () => {
    await lock.claim('t');
    await lock.place('u');
    await lock.set(
      '~p',
      `1 ${Math.floor(await lock.now()) + 60_000} ${Math.floor(await lock.now()) - 1_000}`,
    );
    await lock.place('u');
    expect((await lock.stamp())![2]).toBe(0);
  });

  test('tells of the places before it when it has none itself', async () => {
    await lock.claim('t');
    await lock.place('u');
    await lock.place('v');
    expect(await lock.claim('w')).toMatchObject([0, {}, 2, 0]);
  });

  test('that is free but for a queue is refused without a place, and gets the last place with one', async () => {
    await lock.claim('t');
    await lock.place('u');
    // Nobody has told: the waiter has not looked since the time was up.
    await lock.expire();
    const [granted] = (await lock.claim('v')) as number[];
    expect(granted).toBe(0);
    expect(await lock.holder()).toBe('u');
  });

  test('whose turn it is by then is granted, with the run of its process behind it', async () => {
    await lock.claim('t', { process: 'q' });
    for (const token of ['a', 'b', 'c']) await lock.place(token, { ttl: 4_000 });
    await lock.expire();
    const answer = (await lock.place('a', { ttl: 4_000 })) as [number, number, number, string];
    expect(answer).toEqual([1, expect.any(Number), 4_000, 'b,c']);
    expect(await lock.holder()).toBe('a');
    // Asked again, because the answer was lost.
    expect(await lock.place('a')).toMatchObject([1, answer[1], {}, 'b,c']);
  });

  test('the hash lives a day longer than the hold, whoever waits: it is prolonged once an hour', async () => {
    const fence = (await lock.claim('t', { ttl: 7_000 })) as number;
    await redis.pexpire(lock.key, 50_000);
    await lock.place('u');
    const sameHour = Math.floor(fence / 3.6e9) === Math.floor((await lock.now()) / 3.6e6);
    if (sameHour) expect(await lock.life()).toBeLessThanOrEqual(50_000);
    await lock.set('f', fence - 3.6e9);
    await lock.place('u');
    const life = await lock.life();
    expect(life).toBeLessThanOrEqual(DAY + 7_000);
    expect(life).toBeGreaterThan(DAY + 3_000);
  });

  test('the hash is prolonged at once for a place’s hold of more than an hour', async () => {
    await lock.claim('t');
    await lock.place('u', { ttl: 4_000_000 });
    expect(await lock.life()).toBeLessThanOrEqual(DAY + 10_000);
    await lock.free('t');
    expect(await lock.life()).toBeGreaterThan(DAY + 3_990_000);
    expect(await lock.life()).toBeLessThanOrEqual(DAY + 4_000_000);
  });
});
