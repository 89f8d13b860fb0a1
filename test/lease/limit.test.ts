import { describe, expect, test } from '@jest/globals';
import { Bed } from '../support/bed.js';

describe('limit', () => {
  test('lets so many in at once, in the order of asking; each caller goes by its own', async () => {
    const { locker, clock } = new Bed();
    const five = await Promise.all(Array.from({ length: 5 }, () => locker.acquire('a', { limit: 5 })));
    expect(new Set(five.map(({ fence }) => fence)).size).toBe(5);
    expect(await locker.tryAcquire('a', { limit: 5 })).toBeNull();
    expect(await (await locker.tryAcquire('a', { limit: 6 }))!.release()).toBe(true);
    const order: string[] = [];
    const queue = (name: string, options: object) =>
      void locker.acquire('a', { wait: 'forever', ...options }).then(() => order.push(name));
    queue('three', { limit: 3 });
    queue('reader', { mode: 'read' });
    queue('writer', {});
    await clock.advance(0);
    for (const lease of five.slice(0, 2)) await lease.release();
    await clock.advance(0);
    expect(order).toEqual([]);
    await five[2]!.release();
    await clock.advance(0);
    expect(order).toEqual(['three', 'reader']);
    expect((await locker.inspect('a'))!).toMatchObject({ mode: 'read', limit: 3, waiters: 1 });
  });

  test('of 1 lets one in', async () => {
    const { locker } = new Bed();
    const first = await locker.acquire('a', { limit: 1 });
    expect(await locker.tryAcquire('a', { limit: 1 })).toBeNull();
    expect(first.mode).toBe('read');
  });

  test('of a locker is its default, and shown by info', async () => {
    const { registry } = new Bed();
    const partner = registry.registerLocker('partner', { limit: 2 }).mustOf('partner');
    const leases = await Promise.all([
      partner.tryAcquire('a'),
      partner.tryAcquire('a'),
      partner.tryAcquire('a'),
    ]);
    expect(leases.map((lease) => lease?.mode)).toEqual(['read', 'read', undefined]);
    expect(registry.info().find(({ name }) => name === 'partner')).toMatchObject({ limit: 2, mode: 'read' });
  });
});
