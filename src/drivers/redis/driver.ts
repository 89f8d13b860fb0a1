import { checkNames } from '../../core/check.js';
import { type Clock, systemClock } from '../../core/clock.js';
import { systemRandom } from '../../core/random.js';
import { queuedDriver } from '../../engine/queued-driver.js';
import type { LockDriver } from '../../lease/driver.js';
import { dial } from './client.js';
import { checkLentClient } from './lent-client.js';
import { checkAddress, type LentClient, type RedisOptions } from './options.js';
import { renewalThread } from './renewal-thread.js';
import { RedisStore } from './store.js';

/**
 * Leases in Redis 6.2 or later, or Valkey: one server, Sentinel or Cluster. A client that is lent is duplicated and
 * otherwise left alone. It connects by itself, and again whenever the connection is lost.
 * @throws LockConfigError when ioredis is not installed or the address is wrong, LockUsageError
 */
export async function redisDriver(
  redis: LentClient | RedisOptions = {},
  options: { clock?: Clock } = {},
): Promise<LockDriver> {
  checkNames(options, ['clock']);
  if (typeof redis === 'object' && redis !== null) {
    checkLentClient(redis);
    checkAddress(redis);
  }
  const clock = options.clock ?? systemClock;
  const store = new RedisStore(await dial(redis), clock);
  // A thread has no other clock.
  const thread = clock === systemClock ? { thread: renewalThread(redis) } : {};
  return queuedDriver(store, { clock, random: systemRandom, ...thread });
}
