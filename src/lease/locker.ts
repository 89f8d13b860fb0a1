import type { Duration } from '../core/duration.js';
import type { LockInfo } from './driver.js';
import type { Lease } from './lease.js';
import type { Lock } from './lock.js';
import type { AcquireOptions } from './options.js';

/** A key, or several to be taken together: in sorted order, all or none, released in reverse. */
export type Keys = string | readonly string[];

export type TryWithResult<T> = { acquired: true; value: T } | { acquired: false };

/**
 * Gives leases on keys, with its own defaults. The class is also the token to inject.
 *
 * All methods reject with LockUsageError for a wrong argument or an unknown option, LockBackendError when the backend
 * fails, LockClosedError once the registry closes, LockConfigError when the locker's driver is not registered, and the
 * reason of `options.signal` when it aborts while they wait.
 */
export abstract class Locker {
  abstract readonly name: string;

  /** A lease, or null while somebody else holds the key. Tries once, unless `wait` or `retry` is given to this call. */
  abstract tryAcquire(key: Keys, options?: AcquireOptions): Promise<Lease | null>;

  /**
   * Waits for a lease. A `ttl` that is over before the grant arrives, twice, is a LockBackendError that says so.
   * @throws LockTimeoutError when `wait` runs out, LockNotObtainedError when `retry` does.
   * @throws LockDeadlockError inside a `with`, of whatever locker, that holds the key in the same async context.
   */
  abstract acquire(key: Keys, options?: AcquireOptions): Promise<Lease>;

  /**
   * Acquires, runs `fn`, releases; renews meanwhile unless `autoRenew` is false. What `fn` throws is what you see,
   * whatever the release did.
   * @throws as {@link acquire}; and LockLostError when `fn` succeeded but the lease was lost under it.
   */
  abstract with<T>(key: Keys, fn: (lease: Lease) => T | Promise<T>, options?: AcquireOptions): Promise<T>;

  /** As {@link with}, if {@link tryAcquire} gives a lease. */
  abstract tryWith<T>(
    key: Keys,
    fn: (lease: Lease) => T | Promise<T>,
    options?: AcquireOptions,
  ): Promise<TryWithResult<T>>;

  /** A handle to lock and unlock `key`, any number of times. Nothing is locked yet. @throws LockUsageError */
  abstract New(key: string, ttl?: Duration, options?: AcquireOptions): Lock;

  /** Who holds the key, or null. */
  abstract inspect(key: string): Promise<LockInfo | null>;
}
