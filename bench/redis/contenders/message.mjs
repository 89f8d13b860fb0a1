/** The bare limit of a hand-off: a script that deletes the key and tells one who waits. Nothing is safe about it. */
import { Redis } from 'ioredis';

const TAKE = "if redis.call('SET', KEYS[1], '', 'NX', 'PX', 30000) then return 1 end return 0";
const FREE = "redis.call('DEL', KEYS[1]) return redis.call('PUBLISH', KEYS[1], '')";

export default {
  name: 'bare message',
  async connect(url) {
    const redis = new Redis(url, { protocol: 3 });
    const [take, free] = await Promise.all([TAKE, FREE].map((lua) => redis.script('LOAD', lua)));
    const waiters = new Map();
    redis.on('message', (key) => waiters.get(key)?.());
    return {
      async acquire(key) {
        if (!waiters.has(key)) {
          waiters.set(key, undefined);
          await redis.subscribe(key);
        }
        const told = new Promise((resolve) => waiters.set(key, resolve));
        if ((await redis.evalsha(take, 1, key)) === 0) await told;
        return () => redis.evalsha(free, 1, key);
      },
      ping: () => redis.ping(),
      close: () => redis.disconnect(),
    };
  },
};
