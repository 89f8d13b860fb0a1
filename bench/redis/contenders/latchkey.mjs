/** Latchkey through its Redis driver: defaults, but a wait without limit. */
import { LockRegistry, redisDriver } from '../../lib/latchkey.mjs';

const latchkey = (name, defaults) => ({
  name,
  permits: true,
  sends: ['evalsha', 'eval'],
  renewsEvery: (ttl) => ttl / 3,
  async connect(url) {
    const driver = await redisDriver({ url });
    const registry = new LockRegistry().registerDriver('redis', driver);
    const options = { ...defaults, driver: 'redis', wait: 'forever' };
    const locker = registry.registerLocker('bench', options).mustOf('bench');
    await driver.ping();
    return {
      async acquire(key) {
        const lease = await locker.acquire(key);
        return () => lease.release();
      },
      async permit(key, limit) {
        const lease = await locker.acquire(key, { limit });
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
});

export default latchkey('latchkey', {});

/** Renews all in a worker thread. */
export const thread = latchkey('latchkey, in a thread', { autoRenew: true, renewIn: 'thread' });
