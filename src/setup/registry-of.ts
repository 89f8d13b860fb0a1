import type { LockerOptions } from '../lease/options.js';
import { DEFAULT_LOCKER, LockRegistry } from '../registry.js';
import { type Backend, builtInDrivers, chosenDriver, driverOf, givenIn, warnOfMemory } from './backends.js';
import { defined, type LockProviderOptions } from './options.js';

export interface Surroundings {
  /** The backends that are given for locks. Default: those in the options. */
  given?: readonly Backend[];
  /** Whether memory that nobody asked for is dangerous here. */
  production: boolean;
}

/**
 * A registry with the drivers and lockers that the options name. `options` are checked. Nothing is connected yet.
 * @throws LockConfigError where it cannot be told which driver is meant, or a name is taken.
 */
export function registryOf(options: LockProviderOptions, surroundings: Surroundings): LockRegistry {
  const registry = new LockRegistry();
  for (const [name, driver] of [
    ...Object.entries(builtInDrivers(options)),
    ...Object.entries(options.drivers ?? {}),
  ])
    registry.registerDriver(driverOf(name), driver);
  for (const [name, locker] of lockersOf(options, surroundings)) registry.registerLocker(name, locker);
  return registry;
}

/** Every locker with its options: its own beat those of all. */
function lockersOf(
  options: LockProviderOptions,
  { given = givenIn(options), production }: Surroundings,
): [string, LockerOptions][] {
  const { provider, lockers = {}, drivers: _, redis: __, postgres: ___, grace: ____, ...general } = options;
  const forAll: LockerOptions = defined({ ...general, ...(provider !== undefined && { driver: provider }) });
  const names = new Set([DEFAULT_LOCKER, ...Object.keys(lockers)]);
  const all = [...names].map((name): [string, LockerOptions] => {
    return [name, over(forAll, defined({ ...lockers[name] }))];
  });
  const undecided = all.filter(([, { driver }]) => driver === undefined).map(([name]) => name);
  const chosen = undecided.length > 0 ? chosenDriver(given) : undefined;
  if (undecided.length > 0 && chosen === undefined && production) warnOfMemory(undecided);
  return all.map(([name, locker]) => [
    name,
    { ...locker, driver: driverOf(locker.driver ?? chosen ?? 'memory') },
  ]);
}

/** As in a call, an own limit counts more than the mode of all, and an own mode `write` more than the limit of all. */
function over(all: LockerOptions, own: LockerOptions): LockerOptions {
  const merged = { ...all, ...own, meta: { ...all.meta, ...own.meta } };
  if (own.mode === undefined && own.limit !== undefined) merged.mode = undefined;
  if (own.mode === 'write' && own.limit === undefined) merged.limit = undefined;
  return merged;
}
