import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { queuedDriver } from '../../src/engine/queued-driver.js';
import type { Locker } from '../../src/lease/locker.js';
import { LockRegistry } from '../../src/registry.js';
import { FakeClock, ModelServer, type ModelStore } from '../../src/testing/index.js';

const HOUR = 3_600_000;

let clock: FakeClock;
let server: ModelServer;
let stores: ModelStore[];
let registries: LockRegistry[];
let ours: Locker;
let theirs: Locker;

beforeEach(() => {
  clock = new FakeClock(1_000);
  server = new ModelServer({ clock, micros: 1e15 });
  stores = [server.connect(), server.connect()];
  registries = stores.map((store) =>
    new LockRegistry({ clock })
      .registerDriver('model', queuedDriver(store, { clock, random: Math.random }))
      .registerLocker('default', { driver: 'model', ttl: '30s' }),
  );
  [ours, theirs] = registries.map((registry) => registry.mustOf()) as [Locker, Locker];
});

afterEach(async () => {
  await answered(Promise.all(registries.map((registry) => registry.close({ grace: 0 }))), 20_000);
});

async function answered<T>(asked: Promise<T>, ms = 10): Promise<T> {
  await clock.advance(ms);
  return asked;
}

/** The fence of a lease of a and b that ends without a release, and the next one of a. */
async function expired(): Promise<[number, number]> {
  const { fence } = await answered(ours.acquire(['a', 'b']));
  stores[0]!.cut({ reconnect: Infinity });
  await clock.advance(30_000);
  const next = await answered(theirs.acquire('a'));
  return [fence, next.fence];
}

test('after several keys expired, each has a larger fence than they were used under', async () => {
  for (let i = 0; i < 50; i++) await answered((await answered(theirs.acquire('b'))).release());
  const [used, next] = await expired();
  expect(next).toBeGreaterThan(used);
});

test('a documented limit: not where the server’s clock has stepped back, and a release never came', async () => {
  server.stepClock(HOUR);
  await answered((await answered(theirs.acquire('b'))).release());
  server.stepClock(-HOUR);
  const released = await answered(ours.acquire(['a', 'b']));
  expect(await answered(released.release())).toBe(true);
  expect((await answered(theirs.acquire('a', { ttl: '1s' }))).fence).toBeGreaterThan(released.fence);
  await clock.advance(2_000);

  server.stepClock(2 * HOUR);
  await answered((await answered(theirs.acquire('b'))).release());
  server.stepClock(-2 * HOUR);
  const [used, next] = await expired();
  expect(next).toBeLessThan(used);
});
