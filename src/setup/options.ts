import { checkNames, checkObject, checkText } from '../core/check.js';
import { type Duration, parseDuration } from '../core/duration.js';
import { LockUsageError } from '../core/errors.js';
import { checkLentPool } from '../drivers/postgres/lent-pool.js';
import {
  checkAddress as checkPostgresAddress,
  type LentPool,
  type PostgresOptions,
} from '../drivers/postgres/options.js';
import { checkLentClient } from '../drivers/redis/lent-client.js';
import {
  checkAddress as checkRedisAddress,
  type LentClient,
  type RedisOptions,
} from '../drivers/redis/options.js';
import type { DriverFactory, LockDriver } from '../lease/driver.js';
import { DEFAULTS, LOCKER_OPTIONS, type LockerOptions, resolveOptions } from '../lease/options.js';

/** The options of all lockers, and those of the component. The file and the environment override them. */
export interface LockProviderOptions extends LockerOptions {
  /**
   * The driver of every locker that names none: `memory`, `redis`, `postgres`, or one of `drivers`. Default: the
   * backend whose address is given here or by `LOCK_REDIS_URL` or `LOCK_POSTGRES_URL`, else `memory`.
   */
  provider?: string | undefined;
  /** More lockers by name, or other options for `default`. These options override those of all lockers. */
  lockers?: Record<string, LockerOptions> | undefined;
  /**
   * Your own drivers, by the name that you use in `provider` and `LOCK_PROVIDER`. A function makes one for each app. A
   * driver itself is good for one app, which closes it when it stops.
   */
  drivers?: Record<string, DriverFactory | LockDriver> | undefined;
  /**
   * The address of Redis, or an ioredis client. The client is duplicated, and you close it yourself. Default
   * `redis://127.0.0.1:6379`.
   */
  redis?: LentClient | RedisOptions | undefined;
  /**
   * The address of PostgreSQL, or a `pg.Pool`. Only the settings of the pool are used, and you close it yourself.
   * Default `postgres://127.0.0.1:5432`.
   */
  postgres?: LentPool | PostgresOptions | undefined;
  /** How long holders may continue when the app stops. Default 5 s. */
  grace?: Duration | undefined;
}

const NAMES = [...LOCKER_OPTIONS, 'provider', 'lockers', 'drivers', 'redis', 'postgres', 'grace'];

/** @throws LockUsageError naming the first option that is wrong, or unknown. */
export function checkOptions(options: unknown): asserts options is LockProviderOptions {
  checkTable('options', options);
  checkNames(options, NAMES);
  const { provider, lockers, drivers, redis, postgres, grace, ...forAll } = options as LockProviderOptions;
  resolveOptions(DEFAULTS, forAll);
  if (provider !== undefined) {
    checkText('provider', provider);
    const { driver = provider } = forAll;
    if (driver !== provider)
      throw new LockUsageError('driver', driver, 'left out beside `provider`, which means the same');
  }
  if (grace !== undefined) parseDuration('grace', grace);
  if (lockers !== undefined) {
    checkTable('lockers', lockers);
    for (const [name, locker] of Object.entries(lockers)) {
      checkText('name', name);
      checkTable(`lockers.${name}`, locker);
      resolveOptions(DEFAULTS, locker);
    }
  }
  if (drivers !== undefined) {
    checkTable('drivers', drivers);
    for (const [name, driver] of Object.entries(drivers)) checkDriver(name, driver);
  }
  checkTarget('redis', redis, 'an ioredis client, or its options, or { url }');
  if (redis) {
    checkLentClient(redis);
    checkRedisAddress(redis);
  }
  checkTarget('postgres', postgres, 'a pg.Pool, or options of pg, or { url }');
  if (postgres) {
    checkLentPool(postgres);
    checkPostgresAddress(postgres);
  }
}

function checkTarget(option: string, value: unknown, expected: string): void {
  if (value === undefined || (typeof value === 'object' && value !== null && !Array.isArray(value))) return;
  // A URL may hold a password.
  throw new LockUsageError(option, typeof value === 'string' ? 'text' : value, expected);
}

function checkTable(option: string, value: unknown): asserts value is object {
  if (Array.isArray(value)) throw new LockUsageError(option, value, 'an object');
  checkObject(option, value);
}

function checkDriver(name: string, driver: unknown): void {
  checkText('name', name);
  const made = typeof driver === 'function' || typeof (driver as LockDriver | null)?.acquire === 'function';
  if (!made)
    throw new LockUsageError(`drivers.${name}`, driver, 'a LockDriver, or a function that makes one');
}

/** `values` without those that are undefined. */
export function defined<T extends object>(values: T): { [Name in keyof T]?: Exclude<T[Name], undefined> } {
  const set = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(set) as { [Name in keyof T]?: Exclude<T[Name], undefined> };
}
