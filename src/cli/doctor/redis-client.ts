import type { Redis } from 'ioredis';
import { LockBackendError } from '../../core/errors.js';
import { dial } from '../../drivers/redis/client.js';
import type { LentClient, RedisOptions } from '../../drivers/redis/options.js';

/** A server, by plain commands. */
export interface Server {
  readonly cluster: boolean;
  /** @throws what the server answers instead */
  call(command: string, ...args: string[]): Promise<unknown>;
  close(): void;
}

/** Connects, once. @throws LockBackendError */
export async function connectTo(redis: LentClient | RedisOptions): Promise<Server> {
  const client = (await dial(redis)) as Redis;
  let fault: Error | undefined;
  client.on('error', (error: Error) => {
    fault = error;
  });
  const late = setTimeout(() => client.disconnect(), 3_000);
  try {
    await client.connect();
  } catch (error) {
    client.disconnect();
    throw new LockBackendError((fault ?? (error as Error)).message || 'the server does not answer');
  } finally {
    clearTimeout(late);
  }
  return {
    cluster: client.isCluster,
    call: (command, ...args) => client.call(command, ...args),
    close: () => client.disconnect(),
  };
}
