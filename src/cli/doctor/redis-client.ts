import type { Cluster, Redis } from 'ioredis';
import { LockBackendError } from '../../core/errors.js';
import { dial } from '../../drivers/redis/client.js';
import { withoutArguments } from '../../drivers/redis/faults.js';
import type { LentClient, RedisOptions } from '../../drivers/redis/options.js';
import { askSentinels, type Sentinel } from '../../drivers/redis/sentinels.js';
import { inTime } from './measures.js';

export type { Sentinel };

// How long connecting may take.
const CONNECT_MS = 3_000;

/** A server, by plain commands. */
export interface Server {
  readonly address: string;
  /** @throws what the server answers instead, or that it does not answer */
  readonly call: (command: string, ...args: string[]) => Promise<unknown>;
}

export interface Connected {
  /** The primary, or those of a Cluster. */
  readonly servers: readonly Server[];
  readonly cluster: boolean;
  /** What the sentinels say, where there are any. */
  readonly sentinels: (() => Promise<Sentinel[]>) | undefined;
  close(): void;
}

/** Connects, once. @throws LockBackendError */
export async function connectTo(redis: LentClient | RedisOptions): Promise<Connected> {
  const client = await dial(redis);
  let fault: Error | undefined;
  client.on('error', (error: Error) => {
    fault = error;
  });
  client.on('node error', (error: Error) => {
    fault = error;
  });
  const late = setTimeout(() => client.disconnect(), CONNECT_MS);
  try {
    await client.connect();
  } catch (error) {
    client.disconnect();
    const why = withoutArguments((fault ?? (error as Error)).message);
    throw new LockBackendError(why || 'the server does not answer');
  } finally {
    clearTimeout(late);
  }
  const nodes = client.isCluster ? (client as Cluster).nodes('master') : [client as Redis];
  const hasSentinels = !client.isCluster && ((client as Redis).options.sentinels ?? []).length > 0;
  return {
    servers: nodes.map(serverOf),
    cluster: client.isCluster,
    sentinels: hasSentinels ? () => askSentinels(client as Redis) : undefined,
    close: () => client.disconnect(),
  };
}

function serverOf(node: Redis): Server {
  const { host, port, path } = node.options;
  return {
    address: path ?? `${host}:${port}`,
    call: (command, ...args) => inTime(node.call(command, ...args)),
  };
}
