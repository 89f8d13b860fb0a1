import { blockReplication, inSync, startReplica } from './redis-replica.js';
import { type RedisServer, startRedis } from './redis-server.js';
import { until } from './wait.js';

export interface StartSentinelOptions {
  /** Default: 1. */
  replicas?: number;
  /** Default: 3; a majority of them must agree. */
  sentinels?: number;
  /** How long the primary must be silent before it is taken for dead. Default: 1500 ms. */
  downAfter?: number;
  password?: string;
  /** The sentinels name hosts by their names. Default: by their addresses. */
  hostNames?: boolean;
}

/** Lines of a sentinel's configuration. */
export const HOST_NAMES = ['sentinel resolve-hostnames yes', 'sentinel announce-hostnames yes'];

/** A primary with its replicas, watched by sentinels that know each other. */
export class SentinelGroup {
  readonly name = 'latchkey';
  #primary: RedisServer;

  constructor(
    readonly servers: readonly RedisServer[],
    readonly sentinels: readonly RedisServer[],
  ) {
    this.#primary = servers[0]!;
  }

  /** The primary, as of the start or the last `failover` or `moved`. */
  get primary(): RedisServer {
    return this.#primary;
  }

  get replicas(): RedisServer[] {
    return this.servers.filter((server) => server !== this.#primary);
  }

  /** What ioredis takes as `sentinels`. */
  get addresses(): { host: string; port: number }[] {
    return this.sentinels.map(({ port }) => ({ host: '127.0.0.1', port }));
  }

  /** Cuts all replicas off, so that a fail-over loses every later write. Sentinel repairs it after 10 s. */
  async blockReplication(): Promise<void> {
    await Promise.all(this.replicas.map(blockReplication));
  }

  /** Resolves when all replicas have every write acknowledged by now. A machine that stalls may have had a fail-over. */
  async inSync(): Promise<void> {
    this.#primary = await this.#agreed();
    await Promise.all(this.replicas.map((replica) => inSync(replica, this.#primary)));
  }

  /** Has the sentinels promote a replica; resolves as `moved` does. */
  async failover(): Promise<void> {
    const old = this.#primary;
    await until(
      () =>
        this.sentinels[0]!.ask((client) => client.call('SENTINEL', 'FAILOVER', this.name)).catch((error) => {
          if (`${error}`.includes('INPROG')) return true;
          throw error;
        }),
      20_000,
      'a sentinel to start the fail-over',
    );
    await this.moved(old);
  }

  /** Resolves when all sentinels name one primary other than `from`, and it knows that it is. */
  async moved(from: RedisServer = this.#primary): Promise<void> {
    this.#primary = await this.#agreed(from);
  }

  async #agreed(from?: RedisServer): Promise<RedisServer> {
    return until(
      async () => {
        const ports = new Set(await Promise.all(this.sentinels.map((sentinel) => this.#named(sentinel))));
        const named = this.servers.find(({ port }) => ports.size === 1 && ports.has(port));
        if (!named || named === from) return undefined;
        const [role] = await named.ask((client) => client.role());
        return `${role}` === 'master' ? named : undefined;
      },
      60_000,
      'the sentinels to name a primary',
    );
  }

  async stop(): Promise<void> {
    await Promise.all([...this.sentinels, ...this.servers].map((server) => server.stop()));
  }

  async #named(sentinel: RedisServer): Promise<number> {
    const address = await sentinel.ask((client) =>
      client.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', this.name),
    );
    return Number((address as string[])[1]);
  }
}

/** Starts a primary, its replicas and its sentinels; resolves when each sentinel knows all of them. */
export async function startSentinel(options: StartSentinelOptions = {}): Promise<SentinelGroup> {
  const { replicas = 1, sentinels = 3, downAfter = 1500, password, hostNames = false } = options;
  const host = hostNames ? 'localhost' : '127.0.0.1';
  const args = hostNames ? ['--replica-announce-ip', host] : [];
  const primary = await startRedis({ args, ...(password ? { password } : {}) });
  const followers = await Promise.all(
    Array.from({ length: replicas }, () => startReplica(primary, { args })),
  );
  const name = 'latchkey';
  const config = [
    ...(hostNames ? HOST_NAMES : []),
    `sentinel monitor ${name} ${host} ${primary.port} ${Math.floor(sentinels / 2) + 1}`,
    `sentinel down-after-milliseconds ${name} ${downAfter}`,
    `sentinel failover-timeout ${name} 10000`,
    ...(password ? [`sentinel auth-pass ${name} ${password}`] : []),
  ];
  const watchers = await Promise.all(
    Array.from({ length: sentinels }, () => startRedis({ config, args: ['--sentinel'] })),
  );
  const counts = `slaves=${replicas},sentinels=${sentinels}`;
  const complete = (sentinel: RedisServer) =>
    until(
      async () => (await sentinel.ask((client) => client.info('sentinel'))).includes(counts),
      30_000,
      `sentinel ${sentinel.port} to see ${counts}`,
    );
  await Promise.all(watchers.map(complete));
  return new SentinelGroup([primary, ...followers], watchers);
}
