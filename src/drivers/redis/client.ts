import type { Cluster, Redis } from 'ioredis';
import { LockBackendError, LockConfigError, LockUsageError } from '../../core/errors.js';
import { parseAddress } from './address.js';
import type { LentClient, RedisOptions } from './options.js';

/** An ioredis client of ours. */
export type Client = Redis | Cluster;

/** The connections of one driver. */
export interface Dialled {
  readonly client: Client;
  readonly cluster: boolean;
}

const retryStrategy = (times: number) =>
  Math.min(25 * 2 ** Math.min(times, 6), 1_000) * (0.5 + Math.random() / 2);

// Ours are never shared with anyone, fail at once when the server is away, and are told when it is silent.
const CONNECTION = {
  lazyConnect: true,
  keyPrefix: '',
  connectionName: 'latchkey',
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  autoResubscribe: false,
  connectTimeout: 2_000,
  // A sentinel that is silent is passed over for the next; without, it would be waited for even after the end.
  sentinelCommandTimeout: 1_000,
  // With more, or null, ioredis never settles what was on its way when the connection was lost.
  maxRetriesPerRequest: 0,
  stringNumbers: false,
  // ioredis arms a timer of this length even for a socket that is gone, and the process would live that long.
  disconnectTimeout: 0,
  retryStrategy,
  sentinelRetryStrategy: retryStrategy,
  reconnectOnError: (error: Error) => /\bREADONLY\b/.test(error.message),
};

const DEFAULT_URL = 'redis://127.0.0.1:6379';

/** Makes the connections; none is open yet. @throws LockConfigError, LockUsageError */
export async function dial(redis: LentClient | RedisOptions): Promise<Dialled> {
  const { Redis, Cluster } = await importIoredis();
  if (isClient(redis)) {
    if (!('isCluster' in redis && redis.isCluster))
      return { client: (redis as Redis).duplicate(CONNECTION), cluster: false };
    const redisOptions = { ...(redis as Cluster).options.redisOptions, ...CONNECTION };
    return { client: (redis as Cluster).duplicate([], clusterOptions(redisOptions)), cluster: true };
  }
  if (typeof redis !== 'object' || redis === null || Array.isArray(redis)) {
    // A URL may hold a password.
    const got = typeof redis === 'string' ? 'text' : redis;
    throw new LockUsageError('redis', got, 'an ioredis client, or its options, or { url }');
  }
  const { url, ...options } = redis;
  if (url !== undefined && typeof url !== 'string') throw new LockUsageError('redis.url', url, 'a URL');
  const address = url === undefined && hasAddress(options) ? undefined : parseAddress(url ?? DEFAULT_URL);
  const all = { ...options, ...CONNECTION };
  if (address?.kind === 'cluster') {
    const client = new Cluster(address.nodes, clusterOptions({ ...all, ...address.options }));
    return { client, cluster: true };
  }
  if (address?.kind !== 'url') return { client: new Redis({ ...all, ...address?.options }), cluster: false };
  try {
    // The first to name an option wins.
    const layers = [CONNECTION, address.url, options] as unknown as [object];
    return { client: new Redis(...layers), cluster: false };
  } catch {
    // The cause holds the URL.
    throw new LockConfigError('the Redis URL cannot be read');
  }
}

/** Where a client connects to, without its password. */
export function describe(client: Client): string {
  if (client.isCluster) return 'cluster';
  const { host, port, path, sentinels, name } = (client as Redis).options;
  const hosts = (sentinels ?? []).map((sentinel) => `${sentinel.host}:${sentinel.port}`);
  return hosts.length > 0 ? `${name} by sentinels ${hosts.join(', ')}` : (path ?? `${host}:${port}`);
}

function clusterOptions(redisOptions: object) {
  const { lazyConnect, enableOfflineQueue } = CONNECTION;
  return {
    lazyConnect,
    enableOfflineQueue,
    keyPrefix: '',
    // Of a node that is silent nobody else knows.
    redisOptions: { ...redisOptions, socketTimeout: 1_000 },
    clusterRetryStrategy: retryStrategy,
    // Nothing is sent again behind our back: the second answer to a release says that the lock was not ours.
    retryDelayOnFailover: 0,
  };
}

function isClient(redis: LentClient | RedisOptions): redis is LentClient {
  return typeof redis?.duplicate === 'function';
}

const hasAddress = (options: RedisOptions) =>
  ['host', 'port', 'path', 'sentinels'].some((name) => name in options);

// A user of memory alone never loads it, and need not have it.
async function importIoredis() {
  try {
    return await import('ioredis');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') {
      throw new LockBackendError('ioredis could not be loaded', { cause: error });
    }
    throw new LockConfigError('the driver "redis" needs the package ioredis: npm install ioredis', {
      cause: error,
    });
  }
}
