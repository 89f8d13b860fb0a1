import { afterEach } from '@jest/globals';
import type { LockDriver } from '../../../src/lease/driver.js';
import type { ConformanceOptions } from '../../../src/testing/index.js';
import { startProxy, type TcpProxy } from '../../support/proxy.js';

type Peers = Required<Pick<ConformanceOptions, 'createPeer' | 'crash'>>;

/** Peers of a driver, each with a proxy of its own. A crash closes its sockets, as those of a killed process. */
export function cutOffPeers(serverPort: () => number, open: (proxy: TcpProxy) => Promise<LockDriver>): Peers {
  const proxies = new Map<LockDriver, TcpProxy>();
  afterEach(async () => {
    for (const proxy of proxies.values()) await proxy.close();
    proxies.clear();
  });
  return {
    createPeer: async () => {
      const proxy = await startProxy(serverPort());
      const peer = await open(proxy);
      proxies.set(peer, proxy);
      return peer;
    },
    crash: (peer) => proxies.get(peer)?.close(),
  };
}
