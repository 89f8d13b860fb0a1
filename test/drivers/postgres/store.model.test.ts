import { afterAll, beforeAll } from '@jest/globals';
import { systemClock } from '../../../src/core/clock.js';
import { systemRandom } from '../../../src/core/random.js';
import { dialler } from '../../../src/drivers/postgres/client.js';
import { PostgresStore } from '../../../src/drivers/postgres/store.js';
import { type PostgresServer, startPostgres } from '../../support/postgres-server.js';
import { sameAsModel } from '../support/model.js';

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres(['max_connections=200']);
});
afterAll(() => server.stop());

sameAsModel('PostgreSQL', async () => {
  const address = await dialler({ url: server.url(), connections: 1 });
  return new PostgresStore(address, { clock: systemClock, random: systemRandom });
});
