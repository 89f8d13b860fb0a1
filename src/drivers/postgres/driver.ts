import { checkNames } from '../../core/check.js';
import { type Clock, systemClock } from '../../core/clock.js';
import { LockConfigError } from '../../core/errors.js';
import { systemRandom } from '../../core/random.js';
import { queuedDriver } from '../../engine/queued-driver.js';
import type { LockDriver } from '../../lease/driver.js';
import { dialler } from './client.js';
import { GuardedHolds } from './guarded-holds.js';
import { checkLentPool } from './lent-pool.js';
import { checkAddress, type LentPool, type PostgresOptions } from './options.js';
import { renewalThread } from './renewal-thread.js';
import { PostgresStore } from './store.js';

/**
 * Leases in PostgreSQL 13 or later. Of a pool that is lent, only the settings are used: it is otherwise left alone. It
 * connects by itself, and again whenever a connection is lost. Its tables are made when they are not there.
 * `ping` rejects with a `LockConfigError` where they cannot be used.
 * @throws LockConfigError when pg is not installed or the address is wrong, LockUsageError
 */
export async function postgresDriver(
  postgres: LentPool | PostgresOptions = {},
  options: { clock?: Clock } = {},
): Promise<LockDriver> {
  checkNames(options, ['clock']);
  const parts = { clock: options.clock ?? systemClock, random: systemRandom };
  if (typeof postgres === 'object' && postgres !== null) {
    checkLentPool(postgres);
    checkAddress(postgres);
  }
  const dialled = await dialler(postgres);
  // A thread has no other clock.
  const thread = parts.clock === systemClock ? { thread: renewalThread(postgres) } : {};
  const driver = queuedDriver(new PostgresStore(dialled, parts), { ...parts, ...thread });
  const holds = new GuardedHolds(dialled.schema);
  return {
    acquire: async (request) => holds.add(await driver.acquire(request)),
    endTries: (request) => driver.endTries!(request),
    release: (grant, keepFor) => driver.release(holds.remove(grant), keepFor),
    extend: (grant, ttl) => driver.extend(grant, ttl),
    startThread: () => driver.startThread!(),
    renewInThread: (grant, terms) => driver.renewInThread!(grant, terms),
    extendMany: (extensions) => driver.extendMany!(extensions),
    inspect: (key) => driver.inspect(key),
    list: (prefix) => driver.list!(prefix),
    revoke: (key, fence, grace) => driver.revoke!(key, fence, grace),
    ping: () =>
      driver.ping().catch((error: Error) => {
        throw error.cause instanceof LockConfigError ? error.cause : error;
      }),
    close: () => driver.close(),
  };
}
