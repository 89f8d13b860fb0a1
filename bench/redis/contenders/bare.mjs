/** The bare limit: `SET NX PX` and a script that compares and deletes, on one connection. It does not wait. */
import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';

const RELEASE =
  "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

export default {
  name: 'bare limit',
  sends: ['set', 'evalsha'],
  async connect(url) {
    const redis = new Redis(url);
    const sha = await redis.script('LOAD', RELEASE);
    return {
      async acquire(key) {
        const token = randomUUID();
        if ((await redis.set(key, token, 'PX', 30_000, 'NX')) !== 'OK') throw new Error('the key is held');
        return () => redis.evalsha(sha, 1, key, token);
      },
      ping: () => redis.ping(),
      close: () => redis.disconnect(),
    };
  },
};
