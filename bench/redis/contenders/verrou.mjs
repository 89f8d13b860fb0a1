/** verrou with its Redis store: defaults (polls every 250 ms, without end). It does not renew. */
import { Verrou } from '@verrou/core';
import { redisStore } from '@verrou/core/drivers/redis';
import { Redis } from 'ioredis';

export default {
  name: 'verrou',
  sends: ['set', 'eval'],
  inStep: true,
  async connect(url) {
    const redis = new Redis(url);
    await redis.ping();
    const verrou = new Verrou({
      default: 'redis',
      stores: { redis: { driver: redisStore({ connection: redis }) } },
    });
    return {
      async acquire(key) {
        const lock = verrou.createLock(key);
        await lock.acquire();
        return () => lock.release();
      },
      ping: () => redis.ping(),
      close: () => redis.disconnect(),
    };
  },
};
