import { beforeEach, describe, expect, test } from '@jest/globals';
import { until } from '../../../support/wait.js';
import { redis, server, serverForAll } from '../support/stage.js';
import { type Listener, listen, StoredLock } from '../support/stored.js';

serverForAll();

let lock: StoredLock;
let holder: Listener;
beforeEach(async () => {
  lock = new StoredLock(redis);
  holder = (await listen(server.client())).listeners[0]!;
});

const heard = (of = holder) => until(() => of.messages[0], 5_000, 'the message');

describe('a writer’s hold', () => {
  test('is taken away at once, its process is told, and the next has it', async () => {
    const fence = (await lock.claim('t', { process: holder.process })) as number;
    await lock.place('u');
    expect(await lock.revoke(fence)).toBe(1);
    expect(await lock.holder()).toBe('u');
    expect(await heard()).toBe(`revoked 0 t ${lock.key}`);
    expect(await lock.revoke(fence)).toBe(0);
    expect(await lock.holder()).toBe('u');
  });

  test('is known by its fence, or by that of whom it serves, as a renewal told', async () => {
    const fence = (await lock.claim('t', { process: holder.process, meta: '{"who":"t"}' })) as number;
    for (const other of [fence - 1, fence + 1, fence + 63]) expect(await lock.revoke(other)).toBe(0);
    expect(await lock.renew('t', 10_000, 1, 'w', `${fence + 7} {"who":"a b"}`)).toBe(1);
    expect(await lock.renew('t', 20_000, 2)).toBe(1);
    const { fence: known, rest } = await lock.hold();
    expect(known).toBe(fence + 7);
    expect(rest.join(' ')).toBe(`${holder.process} t {"who":"a b"}`);
    for (const other of [fence, fence + 6, fence + 8]) expect(await lock.revoke(other)).toBe(0);
    expect(await lock.revoke(fence + 7, 9_000)).toBe(1);
    expect(await lock.revoke(fence + 7)).toBe(1);
    expect(await lock.holder()).toBeUndefined();
    const [, next] = (await lock.claim('u')) as number[];
    expect(next).toBeGreaterThan(fence + 63);
  });

  test('with grace ends then at the latest, is not renewed, and the first place is told when', async () => {
    const waiter = (await listen(server.client())).listeners[0]!;
    const fence = (await lock.claim('t', { process: holder.process, ttl: 20_000 })) as number;
    await lock.place('u', { process: waiter.process });
    expect(await lock.revoke(fence, 4_000)).toBe(1);
    const hold = await lock.hold();
    expect([hold.sequence, hold.fence]).toEqual(['r', fence]);
    expect(hold.until - (await lock.now())).toBeLessThanOrEqual(4_000);
    expect(hold.until - (await lock.now())).toBeGreaterThan(500);
    expect(await heard()).toBe(`revoked 4000 t ${lock.key}`);
    expect(await heard(waiter)).toBe(`look 4000 ${lock.key}`);
    expect(await lock.renew('t', 60_000, 1)).toBeLessThan(0);
    expect(await lock.queue()).toEqual(['u']);
  });

  test('with more grace than it has left is not prolonged', async () => {
    const fence = (await lock.claim('t', { process: holder.process, ttl: 3_000 })) as number;
    await lock.revoke(fence, 60_000);
    const left = (await lock.hold()).until - (await lock.now());
    expect(left).toBeLessThanOrEqual(3_000);
    expect(left).toBeGreaterThan(100);
    const [, ms] = /^revoked (\d+) /.exec(await heard())!;
    expect(Number(ms)).toBeLessThanOrEqual(3_000);
    expect(Number(ms)).toBeGreaterThan(100);
  });

  test('goes to the first whose process listens, where subscribers are counted', async () => {
    const fence = (await lock.claim('t')) as number;
    await lock.place('a', { process: 'away' });
    await lock.place('b', { process: holder.process });
    expect(await lock.revoke(fence, 0, true)).toBe(1);
    expect(await lock.holder()).toBe('b');
    expect(await lock.queue()).toEqual(['a']);
  });

  test('that ended, or a key that rests, cannot be', async () => {
    const fence = (await lock.claim('t')) as number;
    await lock.expire();
    expect(await lock.revoke(fence)).toBe(0);
    await lock.claim('t');
    await lock.free('t', { keep: 60_000 });
    expect(await lock.revoke(0)).toBe(0);
    expect(await lock.holder()).toBe('-');
    expect(await new StoredLock(redis).revoke(1)).toBe(0);
  });
});

describe('a reader’s hold', () => {
  test('is taken away, the others stay', async () => {
    await lock.claim('a', { mode: 'r' });
    const [, fence] = (await lock.claim('b', { mode: 'r', process: holder.process })) as number[];
    await lock.claim('c', { mode: 'r' });
    expect(await lock.revoke(fence! + 1_000_000)).toBe(0);
    expect(await lock.revoke(fence!)).toBe(1);
    expect(await heard()).toBe(`revoked 0 b ${lock.key}`);
    const names = Object.keys(await lock.fields()).filter((name) => name.startsWith('s:'));
    expect(names.sort()).toEqual(['s:a', 's:c']);
    expect((await lock.field('c'))!.split(' ')[0]).toBe('2');
  });

  test('with grace ends then, and a writer that waits comes in', async () => {
    const [, fence] = (await lock.claim('a', { mode: 'r', process: holder.process })) as number[];
    await lock.place('w');
    expect(await lock.revoke(fence!, 8_000)).toBe(1);
    expect(await heard()).toBe(`revoked 8000 a ${lock.key}`);
    const { until: end } = await lock.hold('s:a');
    expect(end - (await lock.now())).toBeLessThanOrEqual(8_000);
    expect((await lock.field('c'))!.split(' ').slice(0, 2)).toEqual(['1', `${end}`]);
    const [, left] = (await lock.claim('x')) as number[];
    expect(left).toBeLessThanOrEqual(8_000);
    expect(left).toBeGreaterThan(4_000);
    expect(await lock.renew('a', 60_000, 1, 'r')).toBeLessThan(-4_000);
    await lock.expire('s:a');
    await lock.place('w');
    expect(await lock.holder()).toBe('w');
  });

  test('with grace is over then for who comes later, too', async () => {
    const [, fence] = (await lock.claim('a', { mode: 'r', process: holder.process })) as number[];
    await lock.revoke(fence!, 8_000);
    const { until: end } = await lock.hold('s:a');
    expect((await lock.field('c'))!.split(' ').slice(0, 2)).toEqual(['1', `${end}`]);
  });

  test('that rests cannot be', async () => {
    const [, fence] = (await lock.claim('a', { mode: 'r' })) as number[];
    await lock.claim('b', { mode: 'r' });
    await lock.free('a', { mode: 'r', keep: 60_000 });
    expect(await lock.revoke(fence!)).toBe(0);
  });
});

test('what is left to hand over is said', async () => {
  const fence = (await lock.claim('t')) as number;
  for (let i = 0; i < 130; i++) await lock.place(`r${i}`, { mode: 'r' });
  expect(await lock.revoke(fence)).toBe(3);
  expect(await lock.leave([])).toBe(0);
  expect((await lock.field('c'))!.split(' ')[0]).toBe('130');
});
