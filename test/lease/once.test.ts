import { describe, expect, test } from '@jest/globals';
import { LockBackendError } from '../../src/core/errors.js';
import { currentLease } from '../../src/lease/holding.js';
import type { Lease } from '../../src/lease/lease.js';
import { slotKey } from '../../src/lease/once.js';
import { Bed, down, watch } from '../support/bed.js';
import { deferred } from '../support/wait.js';

const DAY = 86_400_000;

describe('once', () => {
  test('runs fn in one of many processes, once a slot', async () => {
    const { locker } = new Bed();
    let runs = 0;
    const job = (slot: number) => locker.once('billing', slot, () => ++runs);
    const first = await Promise.all(Array.from({ length: 20 }, () => job(1)));
    expect(first.filter(({ ran }) => ran)).toEqual([{ ran: true, value: 1 }]);
    expect(await job(1)).toEqual({ ran: false });
    expect(await job(2)).toEqual({ ran: true, value: 2 });
    expect(runs).toBe(2);
  });

  test('keeps the slot done for 24 h, or for as long as told', async () => {
    const bed = new Bed();
    const { locker, clock } = bed;
    await locker.once('a', 'day', () => 1);
    await locker.once('a', 'hour', () => 1, { keep: '1h' });
    expect(bed.asked('release').map(({ keepFor }) => keepFor)).toEqual([DAY, 3_600_000]);
    await clock.advance(3_599_999);
    expect((await locker.once('a', 'hour', () => 2)).ran).toBe(false);
    await clock.advance(1);
    expect((await locker.once('a', 'hour', () => 2)).ran).toBe(true);
    expect((await locker.once('a', 'day', () => 2)).ran).toBe(false);
    await clock.advance(DAY);
    expect((await locker.once('a', 'day', () => 2)).ran).toBe(true);
  });

  test('says who runs it, and since when', async () => {
    const { locker, clock } = new Bed();
    const work = deferred();
    const running = watch(locker.once('a', 1, () => work.promise, { meta: { job: '7' } }));
    await clock.advance(0);
    const before = Date.now();
    expect(await locker.once('a', 1, () => 2)).toEqual({
      ran: false,
      by: expect.objectContaining({ job: '7', pid: `${process.pid}` }),
      at: expect.any(Number),
    });
    const refused = (await locker.once('a', 1, () => 2)) as { at: number };
    expect(Math.abs(refused.at - before)).toBeLessThan(5_000);
    work.resolve();
    await clock.advance(0);
    expect(running.value).toEqual({ ran: true, value: undefined });
  });

  test('is no failure where it cannot be told who runs it', async () => {
    const bed = new Bed();
    await bed.hold('a@1');
    bed.instead.inspect = down;
    expect(await bed.locker.once('a', 1, () => 2)).toEqual({ ran: false });
  });

  test('does not wait unless told so; then it runs when the one before it fails', async () => {
    const { locker, clock } = new Bed();
    const work = deferred();
    const first = watch(locker.once('a', 1, () => work.promise));
    await clock.advance(0);
    const [second, third] = [1_000, 60_000].map((wait) => watch(locker.once('a', 1, () => 'mine', { wait })));
    await clock.advance(1_000);
    expect(second!.value).toMatchObject({ ran: false });
    work.reject(new Error('broken'));
    await clock.advance(0);
    expect(first.error).toMatchObject({ message: 'broken' });
    expect(third!.value).toEqual({ ran: true, value: 'mine' });
  });

  test('renews while fn runs, which sees its lease', async () => {
    const { locker, clock } = new Bed();
    const work = deferred<string>();
    let lease: Lease | undefined;
    const running = watch(
      locker.once(
        'a',
        1,
        (own) => {
          lease = own;
          expect(currentLease()).toBe(own);
          return work.promise;
        },
        { ttl: '1s' },
      ),
    );
    await clock.advance(10_000);
    expect(lease).toMatchObject({ key: 'a@1', mode: 'write', held: true });
    expect((await locker.once('a', 1, () => 2)).ran).toBe(false);
    work.resolve('done');
    await clock.advance(0);
    expect(running.value).toEqual({ ran: true, value: 'done' });
  });
});

test('a slot whose lease fn releases itself is free for others', async () => {
  const { locker } = new Bed();
  expect(await locker.once('a', 1, (lease) => lease.release())).toEqual({ ran: true, value: true });
  expect(await locker.once('a', 1, () => 2)).toEqual({ ran: true, value: 2 });
  expect((await locker.once('a', 1, () => 3)).ran).toBe(false);
});

describe('when fn throws', () => {
  const error = new Error('mine');
  const fail = () => {
    throw error;
  };

  test('the slot is free for others', async () => {
    const { locker } = new Bed();
    await expect(locker.once('a', 1, fail)).rejects.toBe(error);
    expect(await locker.once('a', 1, () => 2)).toEqual({ ran: true, value: 2 });
  });

  test('the slot is done with onError keep', async () => {
    const bed = new Bed();
    await expect(bed.locker.once('a', 1, fail, { onError: 'keep', keep: '1h' })).rejects.toBe(error);
    expect(bed.asked('release')).toMatchObject([{ keepFor: 3_600_000 }]);
    expect((await bed.locker.once('a', 1, () => 2)).ran).toBe(false);
  });

  test('that is what you see, whatever the backend does', async () => {
    for (const onError of ['free', 'keep'] as const) {
      const { locker, instead } = new Bed();
      instead.release = down;
      await expect(locker.once('a', 1, fail, { onError })).rejects.toBe(error);
    }
  });
});

describe('what goes wrong with the lease', () => {
  test('a process that dies leaves the slot to others after its ttl', async () => {
    const bed = new Bed();
    await bed.hold('a@1', 10_000);
    await bed.clock.advance(9_999);
    expect((await bed.locker.once('a', 1, () => 2)).ran).toBe(false);
    await bed.clock.advance(1);
    expect(await bed.locker.once('a', 1, () => 2)).toEqual({ ran: true, value: 2 });
  });

  test('a lease that was lost under fn rejects', async () => {
    const bed = new Bed();
    const stolen = bed.locker.once('a', 1, async (lease) => {
      await bed.steal(lease);
    });
    await expect(stolen).rejects.toMatchObject({ code: 'LOCK_LOST', reason: 'stolen', key: 'a@1' });
    const expired = bed.locker.once('b', 1, () => bed.clock.jump(60_000));
    await expect(expired).rejects.toMatchObject({ code: 'LOCK_LOST', key: 'b@1' });
  });

  test('a slot that could not be marked as done is told of', async () => {
    const { locker, instead } = new Bed();
    instead.release = down;
    let runs = 0;
    const running = locker.once('a', 1, () => runs++);
    await expect(running).rejects.toBeInstanceOf(LockBackendError);
    await expect(running).rejects.toMatchObject({ key: 'a@1', cause: { code: 'LOCK_BACKEND' } });
    await expect(running).rejects.toThrow(/has run, but the slot could not be marked/);
    expect(runs).toBe(1);
  });
});

describe('the key of a slot', () => {
  test.each([
    ['billing', '2026-01', 'billing@2026-01'],
    ['billing', 7, 'billing@7'],
    ['billing', 1.5, 'billing@1.5'],
    ['billing', new Date(Date.UTC(2026, 0, 31, 8, 0, 0, 5)), 'billing@2026-01-31T08:00:00.005Z'],
    ['a@b', 'c', 'a%40b@c'],
    ['a', 'b@c', 'a@b@c'],
    ['100%', 'c', '100%25@c'],
  ])('of %j and %p is %j', (key, slot, name) => {
    expect(slotKey(key, slot)).toBe(name);
  });

  test.each([[''], [Number.NaN], [Infinity], [new Date('x')], [null], [undefined], [{}], [true]])(
    '%p is no slot',
    async (slot) => {
      const { locker } = new Bed();
      await expect(locker.once('a', slot as never, () => 1)).rejects.toMatchObject({
        code: 'LOCK_USAGE',
        option: 'slot',
      });
    },
  );

  test('is as long as a key may be', async () => {
    const { locker } = new Bed();
    await expect(locker.once('k'.repeat(2_047), 'slot', () => 1)).rejects.toMatchObject({ option: 'key' });
  });
});

test.each([
  [{ keep: 0 }, 'keep'],
  [{ keep: '1w' }, 'keep'],
  [{ onError: 'retry' }, 'onError'],
  [{ kep: 1 }, 'kep'],
  [{ ttl: 0 }, 'ttl'],
  [null, 'options'],
  [5, 'options'],
])('options %j are refused by name', async (options, option) => {
  const { locker } = new Bed();
  await expect(locker.once('a', 1, () => 1, options as object)).rejects.toMatchObject({
    code: 'LOCK_USAGE',
    option,
  });
  expect(await locker.inspect('a@1')).toBeNull();
});
