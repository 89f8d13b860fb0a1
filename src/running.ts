import { LockConfigError } from './core/errors.js';
import type { Locker } from './lease/locker.js';
import type { LockRegistry } from './registry.js';

const running: LockRegistry[] = [];
let warned = false;

/**
 * The locks of the app that started last and still runs, also inside the hooks of its providers. The app is one of
 * `createApp`, or a NestJS app with `LatchkeyModule`. If two apps run, the first call emits the process warning
 * `LATCHKEY_TWO_APPS`.
 */
export const lock = {
  /** A locker, by default `default`. @throws LockConfigError where no app runs, or it has no locker of that name. */
  L: (name?: string): Locker => lock.default().mustOf(name),

  /** The registry. @throws LockConfigError where no app runs. */
  default(): LockRegistry {
    const registry = running.at(-1);
    if (!registry) {
      throw new LockConfigError(
        'no app runs that has locks: start the app first, and call lock.L() inside a hook or a method, not at the top of ' +
          'a module. Without an app: new LockRegistry().mustOf()',
      );
    }
    if (running.length > 1) warnOfTwo();
    return registry;
  },
};

/** `lock` gives these locks from now on. */
export function enter(registry: LockRegistry): void {
  running.push(registry);
}

export function leave(registry: LockRegistry): void {
  if (running.includes(registry)) running.splice(running.indexOf(registry), 1);
}

function warnOfTwo(): void {
  if (warned) return;
  warned = true;
  process.emitWarning(
    `${running.length} apps with locks run in this process: lock.L(), and @WithLock without a locker of its own, use those ` +
      'of the app that started last. Inject the locker, or give @WithLock one: { locker: (self) => self.locker }.',
    { code: 'LATCHKEY_TWO_APPS' },
  );
}
