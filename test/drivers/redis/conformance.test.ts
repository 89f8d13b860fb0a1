import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { redisDriver } from '../../../src/drivers/redis/driver.js';
import { driverConformance } from '../../../src/testing/index.js';
import { type RedisServer, startRedis } from '../../support/redis-server.js';

let server: RedisServer;

beforeAll(async () => {
  server = await startRedis();
});

afterAll(() => server.stop());

driverConformance({ createDriver: () => redisDriver({ url: server.url }), test, expect, describe });
