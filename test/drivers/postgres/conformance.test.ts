import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { postgresDriver } from '../../../src/drivers/postgres/driver.js';
import { driverConformance } from '../../../src/testing/index.js';
import { type PostgresServer, startPostgres } from '../../support/postgres-server.js';
import { cutOffPeers } from '../support/cut-off-peers.js';

let server: PostgresServer;

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

driverConformance({
  createDriver: () => postgresDriver({ url: server.url() }),
  ...cutOffPeers(
    () => server.port,
    ({ port }) => postgresDriver({ url: server.url({ port }) }),
  ),
  test,
  expect,
  describe,
});
