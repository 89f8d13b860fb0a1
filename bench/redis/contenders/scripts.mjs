/** The scripts of Latchkey's driver on a bare client: what its holds cost without the driver and the locker. */
import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { redisKeys } from '../../../dist/drivers/redis/keys.js';
import { ACQUIRE, RELEASE } from '../../../dist/drivers/redis/scripts.js';

export default {
  name: 'its scripts on a bare client',
  async connect(url) {
    const redis = new Redis(url);
    for (const { lua } of [ACQUIRE, RELEASE]) await redis.script('LOAD', lua);
    const how = `1 16000 1 latchkey:inbox:${randomUUID()}`;
    const meta = JSON.stringify({ host: 'somewhere', pid: String(process.pid) });
    return {
      async acquire(key) {
        const keys = redisKeys(`lock:{${key}}`);
        const token = randomUUID();
        const fence = await redis.evalsha(ACQUIRE.sha, 5, ...keys, token, 'w', '30000', how, meta);
        if (typeof fence !== 'number') throw new Error('the key is held');
        return () => redis.evalsha(RELEASE.sha, 5, ...keys, token, '1');
      },
      ping: () => redis.ping(),
      close: () => redis.disconnect(),
    };
  },
};
