import { describe, expect, test } from '@jest/globals';
import { systemClock } from '../../../src/core/clock.js';
import { dial } from '../../../src/drivers/redis/client.js';
import { RedisStore } from '../../../src/drivers/redis/store.js';
import { storeConformance } from '../../../src/testing/index.js';
import { server, serverForAll } from './support/stage.js';

serverForAll();

storeConformance({
  createStore: async () => new RedisStore(await dial({ url: server.url }), systemClock),
  test,
  expect,
  describe,
});
