import { expect, test } from '@jest/globals';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { memoryLocks } from '../../src/testing/memory-locks.js';

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
