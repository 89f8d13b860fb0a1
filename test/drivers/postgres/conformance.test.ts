import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { postgresDriver } from '../../../src/drivers/postgres/driver.js';
import { driverConformance } from '../../../src/testing/index.js';
import { type PostgresServer, startPostgres } from '../../support/postgres-server.js';

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

driverConformance({ createDriver: () => postgresDriver({ url: server.url() }), test, expect, describe });
