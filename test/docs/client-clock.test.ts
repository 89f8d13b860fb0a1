import { afterEach, expect, jest, test } from '@jest/globals';
import { LockRegistry, redisDriver } from '../../src/index.js';
import { startRedis } from '../support/redis-server.js';
import { sleep } from '../support/wait.js';

afterEach(() => {
  jest.restoreAllMocks();
});

test.each([3_600_000, -3_600_000])(
  'a step of the client’s clock by %i ms ends no lease and prolongs none',
  async (step) => {
    const redis = await startRedis();
    const registry = new LockRegistry()
      .registerDriver('redis', () => redisDriver({ url: redis.url }))
      .registerLocker('redis', { driver: 'redis' });
    for (const locker of [registry.mustOf(), registry.mustOf('redis')]) {
      const real = Date.now;
      const lease = await locker.acquire('a', { ttl: '20s' });
      jest.spyOn(Date, 'now').mockImplementation(() => real() + step);
      expect(lease.held).toBe(true);
      expect(lease.ttl()).toBeLessThanOrEqual(20_000);
      expect(await locker.tryAcquire('a')).toBeNull();
      expect(await lease.refresh('200ms')).toBe(true);
      await sleep(230);
      expect(lease.held).toBe(false);
      expect((await locker.tryAcquire('a'))?.fence).toBeGreaterThan(lease.fence);
      jest.restoreAllMocks();
    }
    await registry.close({ grace: 0 });
    await redis.stop();
  },
);
