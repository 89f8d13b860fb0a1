import { describe, expect, test } from '@jest/globals';
import { driverConformance } from '../../../src/testing/index.js';
import { cutOffPeers } from '../support/cut-off-peers.js';
import { bareDriverOf } from './support/driver.js';
import { server, serverForAll } from './support/stage.js';

serverForAll();

driverConformance({
  createDriver: () => bareDriverOf(server.url),
  ...cutOffPeers(
    () => server.port,
    ({ url }) => bareDriverOf(url),
  ),
  test,
  expect,
  describe,
});
