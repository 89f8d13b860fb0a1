import { expect, jest, test } from '@jest/globals';
import { memoryDriver } from '../../src/drivers/memory.js';
import type { LockDriver } from '../../src/lease/driver.js';
import type { HeldLease } from '../../src/lease/held-lease.js';
import { Renewer } from '../../src/lease/renewer.js';
import { LockRegistry } from '../../src/registry.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { Bed, down } from '../support/bed.js';

test('renews at a third of the ttl, and sets the full ttl', async () => {
  const { locker, clock, calls } = new Bed();
  const lease = await locker.acquire('a', { ttl: 3_000, autoRenew: true });
  await clock.advance(900);
  expect(calls.filter(({ what }) => what === 'extend')).toEqual([]);
  await clock.advance(100);
  expect(calls.filter(({ what }) => what === 'extend')).toEqual([
    { what: 'extend', key: 'lock:{a}', ttl: 3_000 },
  ]);
  expect(lease.ttl()).toBeGreaterThanOrEqual(2_900);
  await clock.advance(60_000);
  expect(lease.held).toBe(true);
});

test('after a refresh renews to the new ttl', async () => {
  const { locker, clock, calls } = new Bed();
  const lease = await locker.acquire('a', { ttl: 3_000, autoRenew: true });
  await lease.refresh('30s');
  await clock.advance(60_000);
  expect(calls.filter(({ what }) => what === 'extend').every(({ ttl }) => ttl === 30_000)).toBe(true);
  expect(lease.held).toBe(true);
});

test('renews many leases on one timer, in batches', async () => {
  const clock = new FakeClock();
  const memory = memoryDriver({ clock });
  const batches: number[] = [];
  const driver: LockDriver = {
    acquire: (request) => memory.acquire(request),
    extend: () => Promise.reject(new Error('one by one')),
    extendMany: (extensions) => {
      batches.push(extensions.length);
      return Promise.all(extensions.map(({ grant, ttl }) => memory.extend(grant, ttl)));
    },
    release: (grant) => memory.release(grant),
    inspect: (key) => memory.inspect(key),
    ping: () => memory.ping(),
    close: () => memory.close(),
  };
  const registry = new LockRegistry({ clock }).registerDriver('memory', driver);
  const keys = Array.from({ length: 100 }, (_, n) => `k${n}`);
  const leases = await Promise.all(
    keys.map((key) => registry.mustOf().acquire(key, { ttl: 3_000, autoRenew: true })),
  );
  // The memory driver's own timer, and one for all leases.
  expect(clock.pending).toBe(2);
  await clock.advance(1_000);
  expect(batches).toEqual([100]);
  await clock.advance(9_000);
  expect(batches.length).toBeLessThan(15);
  expect(leases.every(({ held }) => held)).toBe(true);
});

test('a batch that fails as a whole is tried again, and harms no lease', async () => {
  const clock = new FakeClock();
  const memory = memoryDriver({ clock });
  let faults = 1;
  const driver = Object.assign(memory, {
    extendMany: (extensions: Parameters<NonNullable<LockDriver['extendMany']>>[0]) =>
      faults-- > 0 ? down() : Promise.all(extensions.map(({ grant, ttl }) => memory.extend(grant, ttl))),
  });
  const registry = new LockRegistry({ clock }).registerDriver('memory', driver);
  const leases = await Promise.all(
    ['a', 'b'].map((key) => registry.mustOf().acquire(key, { ttl: 900, autoRenew: true })),
  );
  await clock.advance(5_000);
  expect(faults).toBeLessThan(0);
  expect(leases.every(({ held }) => held)).toBe(true);
});

test('near maxHold it does not renew for nothing', async () => {
  const { locker, clock, calls } = new Bed();
  await locker.acquire('a', { ttl: '30s', autoRenew: true, maxHold: '60s' });
  await clock.advance(60_000);
  expect(calls.filter(({ what }) => what === 'extend').length).toBeLessThan(5);
});

test('a lease that runs out between its alarm and its renewal is told so', async () => {
  const clock = new FakeClock();
  const lease = { held: true, expire: jest.fn() };
  new Renewer(clock, memoryDriver({ clock })).due(lease as unknown as HeldLease);
  lease.held = false;
  await clock.advance(0);
  expect(lease.expire).toHaveBeenCalledTimes(1);
});

test('after a fault it tries again soon, and not all the time', async () => {
  const { locker, clock, calls, instead } = new Bed();
  const lease = await locker.acquire('a', { ttl: 3_000, autoRenew: true });
  instead.extend = down;
  await clock.advance(2_990);
  expect(lease.held).toBe(true);
  const tries = calls.filter(({ what }) => what === 'extend').length;
  expect(tries).toBeGreaterThan(3);
  expect(tries).toBeLessThan(100);
});
