import type { Cluster, Redis } from 'ioredis';
import { LockBackendError, LockConfigError, LockUsageError } from '../../core/errors.js';
import { parseAddress } from './address.js';
import type { Client } from './endpoint.js';
import {
  ADDRESS,
  CONNECTION,
  checkNumbers,
  checkOptions,
  clusterOptions,
  isClient,
  type LentClient,
  type RedisOptions,
} from './options.js';

const DEFAULT_URL = 'redis://127.0.0.1:6379';

/** Makes the client; it is not connected yet. @throws LockConfigError, LockUsageError */
export async function dial(redis: LentClient | RedisOptions): Promise<Client> {
  if (isClient(redis)) return duplicate(redis as unknown as Client);
  if (typeof redis !== 'object' || redis === null || Array.isArray(redis)) {
    // A URL may hold a password.
    const got = typeof redis === 'string' ? 'text' : redis;
    throw new LockUsageError('redis', got, 'an ioredis client, or its options, or { url }');
  }
  const { url, ...beside } = redis;
  if (url !== undefined && typeof url !== 'string') throw new LockUsageError('redis.url', url, 'a URL');
  checkOptions(beside);
  if (url !== undefined) checkNoAddress(beside);
  const address = url === undefined && hasAddress(beside) ? undefined : parseAddress(url ?? DEFAULT_URL);
  // What the URL says counts; but it says only whether there is TLS, not how.
  const tls = address?.options.tls && beside.tls ? { tls: beside.tls } : {};
  const options = { ...beside, ...address?.options, ...tls };
  const { Redis, Cluster } = await importIoredis();
  if (address?.kind === 'cluster') {
    const { db, redisOptions } = options as { db?: unknown; redisOptions?: { db?: unknown } | null };
    checkNoDatabase(db ?? redisOptions?.db ?? 0);
    return new Cluster(address.nodes, clusterOptions(options));
  }
  return new Redis({ ...options, ...CONNECTION } as object);
}

/** Where a client connects to, without its password. */
export function describe(client: Client): string {
  if (client.isCluster) return 'cluster';
  const { host, port, path, sentinels, name } = (client as Redis).options;
  const hosts = (sentinels ?? []).map((sentinel) => `${sentinel.host}:${sentinel.port}`);
  return hosts.length > 0 ? `${name} by sentinels ${hosts.join(', ')}` : (path ?? `${host}:${port}`);
}

function duplicate(lent: Client): Client {
  if (!lent.isCluster) {
    checkNumbers({ db: (lent as Redis).options.db });
    return (lent as Redis).duplicate(CONNECTION as object);
  }
  const { redisOptions, slotsRefreshInterval } = (lent as Cluster).options;
  const options: object = clusterOptions({ redisOptions, slotsRefreshInterval });
  return (lent as Cluster).duplicate([], options);
}

const hasAddress = (options: RedisOptions) => ADDRESS.some((name) => name in options);

/** @throws LockUsageError where the options say another time where Redis is: one of the two would be ignored */
function checkNoAddress(options: RedisOptions): void {
  const name = ADDRESS.find((each) => options[each] !== undefined && options[each] !== null);
  if (name) throw new LockUsageError(`redis.${name}`, options[name], 'left out beside `url`');
}

/** @throws LockUsageError: nodes of a Cluster refuse another one, which ioredis does not tell */
function checkNoDatabase(db: unknown): void {
  if (Number(db) !== 0)
    throw new LockUsageError('redis.db', db, 'left out, since a Cluster has no databases');
}

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
