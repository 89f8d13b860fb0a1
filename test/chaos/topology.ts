import type { TcpProxy } from '../support/proxy.js';
import type { RedisServer } from '../support/redis-server.js';
import type { Fault } from './faults.js';
import type { Dial } from './setting.js';

/** Servers, and the proxies through which the workers reach them. */
export interface Topology {
  readonly dial: Dial;
  /** Those of the servers that hold locks now. */
  primaries(): readonly RedisServer[];
  /** The one that holds the lock `name` now. */
  ownerOf(name: string): Promise<RedisServer>;
  readonly proxies: readonly TcpProxy[];
  /** Whether all locks are on one server. */
  readonly whole: boolean;
  /** Faults that only this topology has. */
  readonly faults: readonly Fault[];
  /** What could not be injected here, and why. */
  readonly missing: readonly string[];
  stop(): Promise<void>;
}

export const natMapOf = (servers: readonly RedisServer[], proxies: readonly TcpProxy[]) =>
  Object.fromEntries(
    servers.map(({ port }, i) => [`127.0.0.1:${port}`, { host: '127.0.0.1', port: proxies[i]!.port }]),
  );
