import { LockConfigError } from '../core/errors.js';
import { postgresDriver } from '../drivers/postgres/driver.js';
import { redisDriver } from '../drivers/redis/driver.js';
import type { DriverFactory } from '../lease/driver.js';
import type { LockProviderOptions } from './options.js';

/** The backends that an address alone may choose. */
export const BACKENDS = ['redis', 'postgres'] as const;

export type Backend = (typeof BACKENDS)[number];

// mcube's word for memory.
const GO_CACHE = 'go_cache';

/** The drivers that need no registration, `memory` aside, by name. */
export function builtInDrivers(options: LockProviderOptions): Record<Backend, DriverFactory> {
  return {
    redis: () => redisDriver(options.redis),
    postgres: () => postgresDriver(options.postgres),
  };
}

/** The names a driver can be chosen by. */
export function driverNames(options: LockProviderOptions): string[] {
  return ['memory', GO_CACHE, ...BACKENDS, ...Object.keys(options.drivers ?? {})];
}

/** The driver that is meant by a name. */
export const driverOf = (name: string): string => (name === GO_CACHE ? 'memory' : name);

/** The backends that are given for locks. */
export const givenIn = (options: LockProviderOptions): Backend[] =>
  BACKENDS.filter((name) => options[name] !== undefined);

/**
 * The driver of lockers that name none, where no provider is named: that of the backend which is given for locks.
 * Undefined where none is: nobody has asked for memory, then.
 * @throws LockConfigError where two are given.
 */
export function chosenDriver(given: readonly Backend[]): Backend | undefined {
  if (given.length > 1) {
    throw new LockConfigError(
      `the addresses of ${given.join(' and ')} are given for locks, and no provider is named: set LOCK_PROVIDER, or ` +
        '`provider`',
    );
  }
  return given[0];
}

/** Tells that the locks of these lockers are in memory though nobody asked for it. */
export function warnOfMemory(lockers: readonly string[]): void {
  process.emitWarning(
    `Locks are in memory and exclude no other process (lockers: ${lockers.join(', ')}). Set LOCK_PROVIDER to redis or ` +
      'postgres, and LOCK_REDIS_URL or LOCK_POSTGRES_URL; or LOCK_PROVIDER to memory, if there is one process only. In ' +
      'code: `provider`, and `redis` or `postgres`.',
    { code: 'LATCHKEY_MEMORY' },
  );
}
