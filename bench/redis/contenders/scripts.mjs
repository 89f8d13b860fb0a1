/** The scripts of Latchkey's driver on a bare client: what its holds cost without the driver and the locker. */
import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { CLAIM, FREE } from '../../../dist/drivers/redis/scripts.generated.js';

export default {
  name: 'its scripts on a bare client',
  async connect(url) {
    const redis = new Redis(url);
    for (const { lua } of [CLAIM, FREE]) await redis.script('LOAD', lua);
    const meta = JSON.stringify({ host: 'somewhere', pid: String(process.pid) });
    return {
      async acquire(key) {
        const name = `lock:{${key}}`;
        const token = randomUUID();
        const tail = `process-of-16-ch ${token} ${meta}`;
        const fence = await redis.evalsha(CLAIM.sha, 1, name, 'w', '30000', tail, '0 16000 1');
        if (typeof fence !== 'number') throw new Error('the key is held');
        return () => redis.evalsha(FREE.sha, 1, name, token, 'w 1');
      },
      ping: () => redis.ping(),
      close: () => redis.disconnect(),
    };
  },
};
