import { describe, expect, test } from '@jest/globals';
import { redisDriver } from '../../../src/drivers/redis/driver.js';
import { driverConformance } from '../../../src/testing/index.js';
import { server, serverForAll } from './support/stage.js';

serverForAll();

driverConformance({ createDriver: () => redisDriver({ url: server.url }), test, expect, describe });
