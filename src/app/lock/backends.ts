import { LockConfigError } from '../../core/errors.js';
import { postgresDriver } from '../../drivers/postgres/driver.js';
import { isPool, type LentPool, type PostgresOptions } from '../../drivers/postgres/options.js';
import { redisDriver } from '../../drivers/redis/driver.js';
import type { LentClient, RedisOptions } from '../../drivers/redis/options.js';
import type { DriverFactory } from '../../lease/driver.js';
import type { App } from '../provider.js';
import type { LockProviderOptions } from './options.js';
import type { LockConfig } from './schema.js';

/** A backend that an address alone may choose. */
interface Backend {
  readonly name: 'redis' | 'postgres';
  /** The variable that says where it is, for locks; others may say so for the whole service. */
  readonly variable: string;
  readonly driver: (options: LockProviderOptions, config: LockConfig) => DriverFactory;
}

const BACKENDS: readonly Backend[] = [
  {
    name: 'redis',
    variable: 'LOCK_REDIS_URL',
    driver: (options, config) => () => redisDriver(redisOptions(options, config)),
  },
  {
    name: 'postgres',
    variable: 'LOCK_POSTGRES_URL',
    driver: (options, config) => () => postgresDriver(postgresOptions(options, config)),
  },
];

// mcube's word for memory.
const GO_CACHE = 'go_cache';

/** The drivers that need no registration, `memory` aside, by name. */
export function builtInDrivers(options: LockProviderOptions, config: LockConfig): [string, DriverFactory][] {
  return BACKENDS.map(({ name, driver }) => [name, driver(options, config)]);
}

/** The names a driver can be chosen by. */
export function driverNames(options: LockProviderOptions): string[] {
  const builtIn = BACKENDS.map(({ name }) => name);
  return ['memory', GO_CACHE, ...builtIn, ...Object.keys(options.drivers ?? {})];
}

/** The driver that is meant by a name. */
export const driverOf = (name: string): string => (name === GO_CACHE ? 'memory' : name);

/**
 * The driver of lockers that name none, where no provider is named: that of the backend which is given for locks.
 * Undefined where none is: nobody has asked for memory, then.
 * @throws LockConfigError where two are given.
 */
export function chosenDriver(options: LockProviderOptions, app: App): string | undefined {
  const given = BACKENDS.filter(({ name, variable }) => {
    const url = ['lock', name, 'url'];
    const elsewhere = app.config.has(url) && [variable, undefined].includes(app.config.variable(url));
    return options[name] !== undefined || elsewhere;
  });
  if (given.length > 1) {
    const names = given.map(({ name }) => name).join(' and ');
    throw new LockConfigError(
      `the addresses of ${names} are given for locks, and no provider is named: set LOCK_PROVIDER, or \`provider\``,
    );
  }
  return given[0]?.name;
}

/** Tells that the locks of these lockers are in memory though nobody asked for it, where that is dangerous. */
export function warnOfMemory(app: App, lockers: readonly string[]): void {
  if (app.env.NODE_ENV !== 'production') return;
  process.emitWarning(
    `Locks are in memory and exclude no other process (lockers: ${lockers.join(', ')}). Set LOCK_PROVIDER to redis or ` +
      'postgres, and LOCK_REDIS_URL or LOCK_POSTGRES_URL; or LOCK_PROVIDER to memory, if there is one process only.',
    { code: 'LATCHKEY_MEMORY' },
  );
}

/** Where Redis is: the configured URL beats an address in code, but not a client that is lent. */
function redisOptions({ redis = {} }: LockProviderOptions, config: LockConfig): LentClient | RedisOptions {
  const url = config.redis?.url;
  if (url === undefined || typeof redis.duplicate === 'function') return redis;
  const { host: _, port: __, path: ___, sentinels: ____, name: _____, ...rest } = redis as RedisOptions;
  return { ...rest, url };
}

/** Where PostgreSQL is: the configured URL and schema beat those in code, but not the address of a pool that is lent. */
function postgresOptions(
  { postgres = {} }: LockProviderOptions,
  config: LockConfig,
): LentPool | PostgresOptions {
  const { url, schema } = config.postgres ?? {};
  const inSchema = schema === undefined ? {} : { schema };
  if (isPool(postgres)) return { pool: postgres, ...inSchema };
  const { pool } = postgres as PostgresOptions;
  return { ...postgres, ...inSchema, ...(url !== undefined && pool === undefined && { url }) };
}
