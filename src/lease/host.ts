import type { Clock } from '../core/clock.js';
import type { Backend } from './backend.js';

/** What a locker needs of the registry that made it. */
export interface LockerHost {
  readonly clock: Clock;
  /** Aborts with a LockClosedError when the registry closes. */
  readonly closing: AbortSignal;
  /** The driver of that name; a promise only until it has been made. */
  backend(driver: string): Backend | Promise<Backend>;
}
