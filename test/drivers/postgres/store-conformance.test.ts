import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { systemClock } from '../../../src/core/clock.js';
import { systemRandom } from '../../../src/core/random.js';
import { dialler } from '../../../src/drivers/postgres/client.js';
import { PostgresStore } from '../../../src/drivers/postgres/store.js';
import { storeConformance } from '../../../src/testing/index.js';
import { type PostgresServer, startPostgres } from '../../support/postgres-server.js';

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

storeConformance({
  createStore: async () =>
    new PostgresStore(await dialler({ url: server.url() }), { clock: systemClock, random: systemRandom }),
  test,
  expect,
  describe,
});
