/** Latchkey through its Redis driver: defaults, but a wait without limit. */
import { LockRegistry, redisDriver } from '../../lib/latchkey.mjs';

export default {
  name: 'latchkey',
  sends: ['evalsha', 'eval'],
  renewsEvery: (ttl) => ttl / 3,
  async connect(url) {
    const driver = await redisDriver({ url });
    const registry = new LockRegistry().registerDriver('redis', driver);
    const locker = registry.registerLocker('bench', { driver: 'redis', wait: 'forever' }).mustOf('bench');
    await driver.ping();
    return {
      async acquire(key) {
        const lease = await locker.acquire(key);
        return () => lease.release();
      },
      async keep(key, ttl) {
        const lease = await locker.acquire(key, { ttl, autoRenew: true });
        return () => lease.held;
      },
      ping: () => driver.ping(),
      close: () => registry.close({ grace: 0 }),
    };
  },
};
