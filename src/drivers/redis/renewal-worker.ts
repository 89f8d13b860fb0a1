import { serveRenewals } from '../../engine/thread/serve-renewals.js';
import { dial } from './client.js';
import type { RedisOptions } from './options.js';
import { RedisStore } from './store.js';

await serveRenewals(async (redis, clock) => {
  const client = await dial(redis as RedisOptions);
  const { options } = client;
  ('redisOptions' in options ? options.redisOptions! : (options as RedisOptions)).connectionName =
    'latchkey-renewal';
  return new RedisStore(client, clock);
});
