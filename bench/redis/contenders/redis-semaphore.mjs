/** redis-semaphore's Mutex and Semaphore: defaults (poll every 10 ms, renew), but a wait without limit. */
import { Redis } from 'ioredis';
import { Mutex, Semaphore } from 'redis-semaphore';

export default {
  name: 'redis-semaphore',
  permits: true,
  sends: ['evalsha', 'eval', 'set'],
  renewsEvery: (ttl) => ttl * 0.8,
  async connect(url) {
    const redis = new Redis(url);
    await redis.ping();
    const take = async (key, options) => {
      const mutex = new Mutex(redis, key, { acquireTimeout: Number.MAX_SAFE_INTEGER, ...options });
      await mutex.acquire();
      return mutex;
    };
    return {
      async acquire(key) {
        const mutex = await take(key);
        return () => mutex.release();
      },
      async permit(key, limit) {
        const semaphore = new Semaphore(redis, key, limit, { acquireTimeout: Number.MAX_SAFE_INTEGER });
        await semaphore.acquire();
        return () => semaphore.release();
      },
      async keep(key, ttl) {
        const mutex = await take(key, { lockTimeout: ttl, onLockLost: () => {} });
        return () => mutex.isAcquired;
      },
      ping: () => redis.ping(),
      close: () => redis.disconnect(),
    };
  },
};
