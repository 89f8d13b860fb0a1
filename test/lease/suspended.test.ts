import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { queuedDriver } from '../../src/engine/queued-driver.js';
import type { LockDriver } from '../../src/lease/driver.js';
import type { Locker } from '../../src/lease/locker.js';
import { LockRegistry } from '../../src/registry.js';
import { FakeClock, ModelServer } from '../../src/testing/index.js';

/** Of a process whose machine may be suspended: its own time stands still then. */
class SleepyClock extends FakeClock {
  #suspended = 0;

  suspended(): number {
    return this.#suspended;
  }

  /** The machine is suspended for `ms`, while the server goes on. */
  suspend(ms: number): void {
    this.#suspended += ms;
    server.stepClock(ms);
  }
}

let clock: SleepyClock;
let server: ModelServer;
let ours: Locker;
let theirs: Locker;
let registries: LockRegistry[];

beforeEach(() => {
  clock = new SleepyClock(1_000);
  server = new ModelServer({ clock, micros: 1e15 });
  registries = [0, 1].map(() => {
    const driver = queuedDriver(server.connect(), { clock, random: Math.random });
    const registry = new LockRegistry({ clock }).registerDriver('model', driver);
    registry.registerLocker('default', { driver: 'model', ttl: '30s' });
    return registry;
  });
  [ours, theirs] = registries.map((registry) => registry.mustOf()) as [Locker, Locker];
});

afterEach(async () => {
  const closed = Promise.all(registries.map((registry) => registry.close({ grace: 0 })));
  await clock.advance(10_000);
  await closed;
});

/** Makes the driver renew as if in a thread, which does not know that the machine was suspended. */
function renewInThread(driver: LockDriver): void {
  driver.renewInThread = (grant, { ttl }) => {
    const thread = { validUntil: grant.validUntil, loss: undefined, running: true, setTtl() {} };
    const renewLater = () =>
      clock.after(ttl / 3, async () => {
        const renewed = await driver.extend(grant, ttl);
        if (!renewed) return;
        thread.validUntil = renewed.validUntil;
        renewLater();
      });
    renewLater();
    return thread;
  };
}

/** The answer, which takes a moment. */
async function answered<T>(asked: Promise<T>): Promise<T> {
  await clock.advance(10);
  return asked;
}

test('after the machine was suspended beyond the ttl it is not held, in the next statement', async () => {
  const lease = await answered(ours.acquire('a'));
  clock.suspend(31_000);
  const rival = await answered(theirs.acquire('a'));
  expect(rival.held).toBe(true);
  expect(lease.held).toBe(false);
  expect(() => lease.ensureHeld()).toThrow('lost');
  expect(lease.signal.reason).toMatchObject({ reason: 'expired' });
  expect(await answered(lease.release())).toBe(false);
  expect(rival.held).toBe(true);
});

test('its signal aborts by itself when it would have been renewed', async () => {
  const lease = await answered(ours.acquire('a', { autoRenew: true }));
  const { signal } = lease;
  clock.suspend(31_000);
  await clock.advance(9_000);
  expect(signal.aborted).toBe(false);
  expect(lease.held).toBe(false);
  await clock.advance(1_500);
  expect(signal.aborted).toBe(true);
});

test('a shorter suspension takes that from its time, until it is renewed', async () => {
  const lease = await answered(ours.acquire('a'));
  clock.suspend(12_000);
  expect(lease.ttl()).toBeGreaterThan(17_000);
  expect(lease.ttl()).toBeLessThanOrEqual(18_000);
  expect(await answered(lease.refresh())).toBe(true);
  expect(lease.ttl()).toBeGreaterThan(29_000);
  await clock.advance(29_000);
  expect(lease.held).toBe(true);
  await clock.advance(1_000);
  expect(lease.held).toBe(false);
});

test('a renewal that was sent before the suspension prolongs nothing that ended in it', async () => {
  const lease = await answered(ours.acquire('a'));
  const refreshed = lease.refresh();
  clock.suspend(20_000);
  await answered(refreshed);
  expect(lease.ttl()).toBeLessThanOrEqual(10_000);
});

test('whoever waited meanwhile gets it by its own time, and holds it', async () => {
  const rival = await answered(theirs.acquire('a', { ttl: '5s' }));
  const waited = ours.acquire('a', { wait: '60s' });
  await clock.advance(10);
  clock.suspend(3_000);
  await answered(rival.release());
  await clock.advance(100);
  const lease = await waited;
  expect(lease.held).toBe(true);
  expect(lease.ttl()).toBeGreaterThan(26_000);
});

test('suspensions of a lease that a thread renews do not add up', async () => {
  const driver = queuedDriver(server.connect(), { clock, random: Math.random });
  renewInThread(driver);
  const registry = new LockRegistry({ clock }).registerDriver('threaded', driver);
  registries.push(registry);
  const locker = registry.registerLocker('threaded', { driver: 'threaded', ttl: '30s' }).mustOf('threaded');
  const lease = await answered(locker.acquire('a', { autoRenew: true, renewIn: 'thread' }));
  for (let nap = 1; nap <= 5; nap++) {
    clock.suspend(8_000);
    expect(lease.ttl()).toBeGreaterThan(6_000);
    expect(lease.ttl()).toBeLessThanOrEqual(22_000);
    await clock.advance(16_000);
    expect(lease.ttl()).toBeGreaterThan(14_000);
  }
  await answered(lease.release());
  expect(await answered(theirs.tryAcquire('a'))).not.toBeNull();
});
