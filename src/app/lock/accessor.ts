import { LockConfigError } from '../../core/errors.js';
import type { Locker } from '../../lease/locker.js';
import type { LockRegistry } from '../../registry.js';

const running: LockRegistry[] = [];

/** The locks of the app that started last and still runs, its providers' hooks included. */
export const lock = {
  /** A locker, by default `default`. @throws LockConfigError where no app runs, or none has a locker of that name. */
  L: (name?: string): Locker => lock.default().mustOf(name),

  /** The registry. @throws LockConfigError where no app runs. */
  default(): LockRegistry {
    const registry = running.at(-1);
    if (!registry) throw new LockConfigError('no app runs that has installed lockProvider');
    return registry;
  },
};

export function enter(registry: LockRegistry): void {
  running.push(registry);
}

export function leave(registry: LockRegistry): void {
  if (running.includes(registry)) running.splice(running.indexOf(registry), 1);
}
