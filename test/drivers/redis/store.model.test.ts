import { systemClock } from '../../../src/core/clock.js';
import { dial } from '../../../src/drivers/redis/client.js';
import { RedisStore } from '../../../src/drivers/redis/store.js';
import { sameAsModel } from '../support/model.js';
import { server, serverForAll } from './support/stage.js';

serverForAll();

sameAsModel('Redis', async () => new RedisStore(await dial({ url: server.url }), systemClock));
