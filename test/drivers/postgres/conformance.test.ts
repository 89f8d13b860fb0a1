import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { postgresDriver } from '../../../src/drivers/postgres/driver.js';
import type { LockDriver } from '../../../src/lease/driver.js';
import { driverConformance } from '../../../src/testing/index.js';
import { type PostgresServer, startPostgres } from '../../support/postgres-server.js';
import { startProxy, type TcpProxy } from '../../support/proxy.js';

let server: PostgresServer;
const links = new Map<LockDriver, TcpProxy>();

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());
afterEach(async () => {
  for (const link of links.values()) await link.close();
  links.clear();
});

driverConformance({
  createDriver: () => postgresDriver({ url: server.url() }),
  createPeer: async () => {
    const link = await startProxy(server.port);
    const peer = await postgresDriver({ url: server.url({ port: link.port }) });
    links.set(peer, link);
    return peer;
  },
  // Its sockets are closed, as those of a killed process.
  crash: (peer) => links.get(peer)?.close(),
  test,
  expect,
  describe,
});
