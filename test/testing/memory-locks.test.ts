import { expect, test } from '@jest/globals';
import { memoryDriver } from '../../src/drivers/memory.js';
import { driverConformance } from '../../src/testing/conformance.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { memoryLocks } from '../../src/testing/memory-locks.js';
import { ModelServer } from '../../src/testing/model-server.js';
import { storeConformance } from '../../src/testing/store-conformance.js';

test('gives memory locks in one line', async () => {
  const locks = memoryLocks();
  expect(await locks.mustOf().with('a', () => 1)).toBe(1);
  await locks.close();
});

test('gives every locker memory, whatever driver it names, with its other settings', async () => {
  const locks = memoryLocks({ lockers: { jobs: { driver: 'redis', ttl: '5s' } } });
  expect(locks.info().map(({ name, driver, ttl }) => [name, driver, ttl])).toEqual([
    ['default', 'memory', 30_000],
    ['jobs', 'memory', 5_000],
  ]);
  expect(await locks.mustOf('jobs').tryAcquire('a')).not.toBeNull();
  await locks.close({ grace: 0 });
});

test('keeps the time of a fake clock', async () => {
  const clock = new FakeClock();
  const locks = memoryLocks({ clock });
  const lease = await locks.mustOf().acquire('a', { ttl: '1h' });
  await clock.advance(3_600_000);
  expect(lease.held).toBe(false);
  expect(await locks.mustOf().tryAcquire('a')).not.toBeNull();
});

test('an option that is not known is refused, here and in all that is made for tests', () => {
  const named = (option: string) => expect.objectContaining({ code: 'LOCK_USAGE', option });
  const drivers = { createDriver: () => memoryDriver(), test: () => {}, expect };
  const stores = { createStore: () => new ModelServer().connect(), test: () => {}, expect };
  const misspelt: [string, () => unknown][] = [
    ['clok', () => memoryLocks({ clok: new FakeClock() } as object)],
    ['createPear', () => driverConformance({ ...drivers, createPear: memoryDriver } as typeof drivers)],
    ['createPeer', () => driverConformance({ ...drivers, crash: () => {} })],
    ['describes', () => storeConformance({ ...stores, describes: () => {} } as typeof stores)],
    ['reportDeadReceivers', () => new ModelServer({ reportDeadReceivers: false } as object)],
    ['orderd', () => new ModelServer().connect({ orderd: false } as object)],
    ['latencies', () => new ModelServer().connect({ link: { latencies: () => 1 } as object })],
  ];
  for (const [option, make] of misspelt) expect(make).toThrow(named(option));
});
