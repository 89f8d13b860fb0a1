import { Worker } from 'node:worker_threads';
import { type ThreadStart, threadStart } from '../../engine/thread/thread-start.js';
import { CLUSTER, CONNECTION, type LentClient, type RedisOptions } from './options.js';

/** How a thread is started that renews holds there, by a connection of its own. */
export function renewalThread(redis: LentClient | RedisOptions): ThreadStart {
  if ('isCluster' in redis && redis.isCluster)
    return { impossible: 'the thread cannot connect as a lent Cluster does; give an address instead' };
  const store: RedisOptions =
    typeof redis.duplicate === 'function' ? addressOf(redis as LentClient) : (redis as RedisOptions);
  return threadStart('Redis', store, start);
}

// Bundlers know a worker by these very words.
const start = (options: object): Worker =>
  new Worker(new URL('./renewal-worker.js', import.meta.url), options);

/** The options of a client that is lent, but those that we set ourselves, and when to connect anew. */
function addressOf({ options }: LentClient): RedisOptions {
  const own = { ...CLUSTER, ...CONNECTION };
  const ours = (name: string) => Object.hasOwn(own, name) || name.endsWith('Strategy');
  return Object.fromEntries(Object.entries(options).filter(([name]) => !ours(name)));
}
