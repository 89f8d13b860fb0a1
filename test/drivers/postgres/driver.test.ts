import { expect, test } from '@jest/globals';
import { postgresDriver } from '../../../src/drivers/postgres/driver.js';
import { queuedDriver } from '../../../src/engine/queued-driver.js';
import { FakeClock, ModelServer } from '../../../src/testing/index.js';

test('the driver does all that the engine does, also what a driver need not do', async () => {
  const clock = new FakeClock();
  const engine = queuedDriver(new ModelServer({ clock }).connect(), { clock, random: Math.random });
  // These are for the store, and for what waits in the engine.
  const inner = ['constructor', 'ready', 'lost', 'granted', 'revoked', 'lookIn', 'obtained', 'placed'];
  inner.push('refusedLate', 'ended', 'leave');
  const outer = Object.getOwnPropertyNames(Object.getPrototypeOf(engine)).filter(
    (name) => !inner.includes(name),
  );
  const driver = await postgresDriver({ url: 'postgres://127.0.0.1:1/nowhere' });
  expect(Object.keys(driver).sort()).toEqual([...outer, 'extendMany'].sort());
  await Promise.all([driver.close(), engine.close(), clock.advance(10_000)]);
});
