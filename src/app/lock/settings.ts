import type { Duration } from '../../core/duration.js';
import type { LentClient, RedisOptions } from '../../drivers/redis/options.js';
import type { DriverFactory, LockDriver } from '../../lease/driver.js';
import type { LockerOptions } from '../../lease/options.js';
import { DEFAULT_LOCKER } from '../../registry.js';
import type { LockConfig, LockerConfig } from './schema.js';

/** The options of all lockers, beside those of the component. File and environment win over them. */
export interface LockProviderOptions extends LockerOptions {
  /** The driver of every locker that names none: `memory`, `redis`, or one of `drivers`. Default `memory`. */
  provider?: string | undefined;
  /** More lockers by name, or other options for `default`. What is set here beats what is set for all. */
  lockers?: Record<string, LockerOptions> | undefined;
  /** Drivers of your own, by the name that `provider` and `LOCK_PROVIDER` choose them by. */
  drivers?: Record<string, DriverFactory | LockDriver> | undefined;
  /** Where Redis is, or an ioredis client to be duplicated, which stays yours to close. Default `redis://127.0.0.1:6379`. */
  redis?: LentClient | RedisOptions | undefined;
  /** How long holders may go on when the app stops. Default 5 s. */
  grace?: Duration | undefined;
}

// mcube's word for memory.
const GO_CACHE = 'go_cache';

/** The names a driver can be chosen by. */
export function driverNames(options: LockProviderOptions): string[] {
  return ['memory', GO_CACHE, 'redis', ...Object.keys(options.drivers ?? {})];
}

/** Every locker with its options: its own beat those of all, and of each the configuration beats code. */
export function lockerOptions(options: LockProviderOptions, config: LockConfig): Map<string, LockerOptions> {
  const { provider, lockers = {}, drivers: _, redis: __, grace: ___, ...general } = options;
  const forAll: LockerOptions = {
    ...general,
    ...(provider !== undefined && { driver: provider }),
    ...fromConfig({ ...config, ...(config.provider && { driver: config.provider }) }),
  };
  const names = new Set([DEFAULT_LOCKER, ...Object.keys(lockers), ...Object.keys(config.lockers ?? {})]);
  return new Map(
    [...names].map((name) => {
      const own = defined({ ...lockers[name], ...fromConfig(config.lockers?.[name] ?? {}) });
      const meta = { ...forAll.meta, ...own.meta };
      const all = { ...defined(forAll), ...own, meta };
      return [name, { ...all, ...(all.driver === GO_CACHE && { driver: 'memory' }) }];
    }),
  );
}

/** Where Redis is: the configured URL beats an address in code, but not a client that is lent. */
export function redisOptions(
  { redis = {} }: LockProviderOptions,
  config: LockConfig,
): LentClient | RedisOptions {
  const url = config.redis?.url;
  // What is no object is refused by the driver, which does not show it: a password may stand in it.
  if (url === undefined || typeof redis !== 'object' || typeof redis?.duplicate === 'function') return redis;
  const { host: _, port: __, path: ___, sentinels: ____, name: _____, ...rest } = redis as RedisOptions;
  return { ...rest, url };
}

function fromConfig({
  driver,
  prefix,
  ttl,
  wait,
  retry_interval,
  auto_renew,
  meta,
}: LockerConfig): LockerOptions {
  return defined({ driver, prefix, ttl, wait, retryInterval: retry_interval, autoRenew: auto_renew, meta });
}

function defined<T extends object>(values: T): Partial<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>;
}
