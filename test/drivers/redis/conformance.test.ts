import { afterEach, describe, expect, test } from '@jest/globals';
import type { LockDriver } from '../../../src/lease/driver.js';
import { driverConformance } from '../../../src/testing/index.js';
import { startProxy, type TcpProxy } from '../../support/proxy.js';
import { bareDriverOf } from './support/driver.js';
import { server, serverForAll } from './support/stage.js';

serverForAll();

const links = new Map<LockDriver, TcpProxy>();

afterEach(async () => {
  for (const link of links.values()) await link.close();
  links.clear();
});

driverConformance({
  createDriver: () => bareDriverOf(server.url),
  createPeer: async () => {
    const link = await startProxy(server.port);
    const peer = await bareDriverOf(link.url);
    links.set(peer, link);
    return peer;
  },
  // Its sockets are closed, as those of a killed process.
  crash: (peer) => links.get(peer)?.close(),
  test,
  expect,
  describe,
});
