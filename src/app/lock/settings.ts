import type { LockerOptions } from '../../lease/options.js';
import { DEFAULT_LOCKER } from '../../registry.js';
import type { App } from '../provider.js';
import { chosenDriver, driverOf, warnOfMemory } from './backends.js';
import type { LockProviderOptions } from './options.js';
import type { LockConfig, LockerConfig } from './schema.js';

/**
 * Every locker with its options: its own beat those of all, and of each the configuration beats code.
 * @throws LockConfigError where it cannot be told which driver is meant.
 */
export function lockerOptions(options: LockProviderOptions, app: App): Map<string, LockerOptions> {
  const config = app.config.get<LockConfig>('lock') ?? {};
  const { provider, lockers = {}, drivers: _, redis: __, postgres: ___, grace: ____, ...general } = options;
  const forAll: LockerOptions = defined({
    ...general,
    ...(provider !== undefined && { driver: provider }),
    ...fromConfig({ ...config, ...(config.provider && { driver: config.provider }) }),
  });
  const names = new Set([DEFAULT_LOCKER, ...Object.keys(lockers), ...Object.keys(config.lockers ?? {})]);
  const all = [...names].map((name): [string, LockerOptions] => {
    const own = defined({ ...lockers[name], ...fromConfig(config.lockers?.[name] ?? {}) });
    return [name, { ...forAll, ...own, meta: { ...forAll.meta, ...own.meta } }];
  });
  const undecided = all.filter(([, { driver }]) => driver === undefined).map(([name]) => name);
  const chosen = undecided.length > 0 ? chosenDriver(options, app) : undefined;
  if (undecided.length > 0 && chosen === undefined) warnOfMemory(app, undecided);
  return new Map(
    all.map(([name, locker]) => [name, { ...locker, driver: driverOf(locker.driver ?? chosen ?? 'memory') }]),
  );
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
