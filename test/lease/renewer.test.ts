import { expect, jest, test } from '@jest/globals';
import { LockBackendError } from '../../src/core/errors.js';
import { memoryDriver } from '../../src/drivers/memory.js';
import type { Grant, LockDriver } from '../../src/lease/driver.js';
import { type Renewable, Renewer } from '../../src/lease/renewer.js';
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

/** When the driver was asked to extend, in ms of the clock. */
function timesOfExtend(bed: Bed): number[] {
  const times: number[] = [];
  const { extend } = bed.instead;
  bed.instead.extend = (grant, ttl) => {
    times.push(bed.clock.now());
    return extend ? extend(grant, ttl) : bed.memory.extend(grant, ttl);
  };
  return times;
}

test('each renewal comes when a third of the ttl is gone, no later and hardly sooner', async () => {
  const bed = new Bed();
  const times = timesOfExtend(bed);
  await bed.locker.acquire('a', { ttl: 3_000, autoRenew: true });
  await bed.clock.advance(30_000);
  expect(times.length).toBeGreaterThan(25);
  times.reduce((last, now) => {
    expect(now - last).toBeLessThanOrEqual(1_000);
    expect(now - last).toBeGreaterThanOrEqual(1_000 - 3_000 / 32);
    return now;
  }, 0);
});

test('after a fault, each try comes when an eighth of the time left is gone, and not within 10 ms', async () => {
  const bed = new Bed();
  bed.instead.extend = down;
  const times = timesOfExtend(bed);
  const lease = await bed.locker.acquire('a', { ttl: 3_000, autoRenew: true });
  await bed.clock.advance(2_999);
  expect(lease.held).toBe(true);
  await bed.clock.advance(1);
  expect(lease.held).toBe(false);
  expect(times[0]).toBeLessThanOrEqual(1_000);
  times.slice(1).forEach((now, index) => {
    const last = times[index]!;
    const left = 3_000 - last;
    expect(now - last).toBeCloseTo(Math.max(10, left / 8), 5);
  });
  expect(3_000 - times.at(-1)!).toBeLessThanOrEqual(10);
});

test('a lease whose grant came late is renewed at once', async () => {
  const bed = new Bed();
  bed.instead.acquire = async (request) => {
    const grant = await bed.memory.acquire(request);
    bed.clock.jump(500);
    return grant;
  };
  const lease = await bed.locker.acquire('a', { ttl: 900, autoRenew: true });
  expect(lease.ttl()).toBe(400);
  await bed.clock.advance(0);
  expect([bed.count('extend'), lease.ttl()]).toEqual([1, 900]);
});

test('what is over after a renewal is watched no more', async () => {
  const clock = new FakeClock();
  const renewer = new Renewer(clock, async () => [null]);
  let alarms = 0;
  const hold = {
    at: Infinity,
    index: -1,
    renewAt: 10,
    deadline: 20,
    fire: () => {
      alarms += 1;
      renewer.due(hold);
    },
    startRenewal: () => ({ requests: ['it'], answered: () => 'over' as const }),
    expire: () => {},
  } as never as Renewable;
  renewer.watch(hold);
  await clock.advance(1_000);
  expect(alarms).toBe(1);
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

test('a fault of one hold in a batch is that one’s alone', async () => {
  const clock = new FakeClock();
  const memory = memoryDriver({ clock });
  const asked: string[][] = [];
  const extend = memory.extend.bind(memory);
  const driver: LockDriver = Object.assign(memory, {
    extend: (grant: Grant, ttl: number) => (grant.key === 'lock:{bad}' ? down() : extend(grant, ttl)),
    extendMany: (extensions: Parameters<NonNullable<LockDriver['extendMany']>>[0]) => {
      asked.push(extensions.map(({ grant }) => grant.key));
      return Promise.all(
        extensions.map(({ grant, ttl }) =>
          grant.key === 'lock:{bad}' ? new LockBackendError('WRONGTYPE') : extend(grant, ttl),
        ),
      );
    },
  });
  const registry = new LockRegistry({ clock }).registerDriver('memory', driver);
  const lease = (keys: string | string[]) => registry.mustOf().acquire(keys, { ttl: 3_000, autoRenew: true });
  const [bad, both, good] = await Promise.all([lease('bad'), lease(['x', 'y']), lease('good')]);
  await clock.advance(1_000);
  expect(asked[0]!.sort()).toEqual(['lock:{bad}', 'lock:{good}', 'lock:{x}', 'lock:{y}']);
  expect([bad.ttl(), both.ttl(), good.ttl()].map((ms) => ms > 2_500)).toEqual([false, true, true]);
  await clock.advance(2_000);
  expect([bad.held, both.held, good.held]).toEqual([false, true, true]);
  expect(bad.signal.reason).toMatchObject({ reason: 'backend', cause: { code: 'LOCK_BACKEND' } });
});

test('a renewal without an answer delays no other, where the driver extends one hold at a time', async () => {
  const { locker, clock, instead, memory } = new Bed();
  instead.extend = (grant, ttl) =>
    grant.key === 'lock:{silent}' ? new Promise(() => {}) : memory.extend(grant, ttl);
  const lease = (key: string) => locker.acquire(key, { ttl: 3_000, autoRenew: true });
  const [silent, good] = await Promise.all([lease('silent'), lease('good')]);
  await clock.advance(10_000);
  expect([silent.held, good.held]).toEqual([false, true]);
});

test('near maxHold it does not renew for nothing', async () => {
  const { locker, clock, calls } = new Bed();
  await locker.acquire('a', { ttl: '30s', autoRenew: true, maxHold: '60s' });
  await clock.advance(60_000);
  expect(calls.filter(({ what }) => what === 'extend').length).toBeLessThan(5);
});

test('what runs out between its alarm and its renewal is told so, and not renewed', async () => {
  const clock = new FakeClock();
  const extend = jest.fn(async () => []);
  const renewer = new Renewer(clock, extend);
  const hold = {
    at: Infinity,
    index: -1,
    renewAt: 10,
    deadline: 20,
    fire: () => renewer.due(hold),
    startRenewal: jest.fn(() => undefined),
    expire: jest.fn(),
  };
  clock.jump(15);
  renewer.due(hold);
  await clock.advance(0);
  expect(hold.startRenewal).toHaveBeenCalledTimes(1);
  expect(hold.expire).not.toHaveBeenCalled();
  clock.jump(5);
  renewer.due(hold);
  await clock.advance(0);
  expect(hold.expire).toHaveBeenCalledTimes(1);
  expect(extend).not.toHaveBeenCalled();
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
