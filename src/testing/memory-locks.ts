import { checkNames } from '../core/check.js';
import type { Clock } from '../core/clock.js';
import { LOCKER_OPTIONS, type LockerOptions } from '../lease/options.js';
import { LockRegistry } from '../registry.js';

export interface MemoryLocksOptions {
  /** Where the locks take their time from. Default: the system. */
  clock?: Clock | undefined;
  /** Lockers beside `default`, by name. They use memory, whatever driver they name. */
  lockers?: Record<string, LockerOptions> | undefined;
}

/** Locks for a service under test, in this process and without any app. @throws LockUsageError for an unknown option */
export function memoryLocks(options: MemoryLocksOptions = {}): LockRegistry {
  checkNames(options, ['clock', 'lockers']);
  const { clock, lockers = {} } = options;
  const registry = new LockRegistry(clock ? { clock } : {});
  for (const [name, defaults] of Object.entries(lockers)) {
    checkNames(defaults, LOCKER_OPTIONS);
    registry.registerLocker(name, { ...defaults, driver: 'memory' });
  }
  return registry;
}
