/** redlock-universal on one server: defaults (polls every 100 ms), but tries without end. It asks for Node 22. */
import { Redis } from 'ioredis';
import { createLock, IoredisAdapter } from 'redlock-universal';

export default {
  name: 'redlock-universal',
  sends: ['set', 'evalsha', 'eval'],
  inStep: true,
  async connect(url) {
    const redis = new Redis(url);
    await redis.ping();
    const adapter = new IoredisAdapter(redis);
    return {
      async acquire(key) {
        const lock = createLock({ adapter, key, retryAttempts: 1_000_000 });
        const handle = await lock.acquire();
        return () => lock.release(handle);
      },
      ping: () => redis.ping(),
      close: () => redis.disconnect(),
    };
  },
};
