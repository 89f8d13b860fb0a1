import type { Duration } from '../core/duration.js';
import type { ListProgress, LockInfo } from './driver.js';
import type { Lease } from './lease.js';
import type { Lock } from './lock.js';
import type { OnceOptions, OnceResult } from './once.js';
import type { AcquireOptions } from './options.js';

/** One key, or several. Several keys are taken in sorted order, all of them or none, and released in reverse order. */
export type Keys = string | readonly string[];

/** What `tryWith` resolves to: the value of its function, or `acquired: false` when the key was not free. */
export type TryWithResult<T> = { acquired: true; value: T } | { acquired: false };

export interface ListOptions {
  /** Lists only keys that begin with this text. Default: all keys. */
  prefix?: string | undefined;
  /** Called during the search, if the backend must also search keys that are not locks. This is so on Redis. */
  onProgress?: ((progress: ListProgress) => void) | undefined;
}

/**
 * Gives leases on keys, with its own defaults. The class is also the token for injection.
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
   * Waits for a lease. If the `ttl` is over before the grant arrives, it tries once more, and then rejects with a
   * LockBackendError that says so.
   * @throws LockTimeoutError when `wait` is over, LockNotObtainedError when `retry` ends.
   * @throws LockDeadlockError inside a `with` of any locker that holds the key in the same async context.
   */
  abstract acquire(key: Keys, options?: AcquireOptions): Promise<Lease>;

  /**
   * Acquires a lease, runs `fn`, and releases the lease. It renews the lease meanwhile, unless `autoRenew` is false. If
   * `fn` throws, it rejects with that error, whatever happened to the lease.
   * @throws as {@link acquire}; LockLostError when `fn` succeeded but the lease was lost meanwhile.
   */
  abstract with<T>(key: Keys, fn: (lease: Lease) => T | Promise<T>, options?: AcquireOptions): Promise<T>;

  /** As {@link with}, if {@link tryAcquire} gives a lease. */
  abstract tryWith<T>(
    key: Keys,
    fn: (lease: Lease) => T | Promise<T>,
    options?: AcquireOptions,
  ): Promise<TryWithResult<T>>;

  /**
   * Runs `fn` at most once a slot, in all processes: `once('billing', scheduledTime, fn)`. The slot is the time at which
   * the job should start, not the time at which it starts.
   *
   * The slot is the lock `<key>@<slot>`. A Date is written as its ISO text in UTC, and a number as decimal. `fn` runs under
   * this lock as in {@link with}. Afterwards the lock rests for `keep` (default 24 h), and so the slot is done. If `fn`
   * throws, the slot is free, or done with `onError: 'keep'`. If the process dies meanwhile, the slot is free after the ttl. If
   * `fn` releases its lease itself, the slot is free at once.
   *
   * `ran: false` means that `fn` runs elsewhere, or has run. The call does not wait, unless `wait` is given.
   * @throws what `fn` throws; LockLostError when the lease was lost meanwhile; LockBackendError when `fn` ran and the slot
   * could not be marked as done; LockUsageError for `mode: 'read'` and `limit`.
   * @example
   * await locker.once('billing', new Date('2026-01-31T08:00:00Z'), () => sendInvoices());
   */
  abstract once<T>(
    key: string,
    slot: string | number | Date,
    fn: (lease: Lease) => T | Promise<T>,
    options?: OnceOptions,
  ): Promise<OnceResult<T>>;

  /**
   * Leader election: waits for the key, runs `fn` as the only leader, and renews the lease. When the lease is lost,
   * `lease.signal` aborts. When `fn` has settled after that, the call waits for the key again, whatever `fn` returned or
   * threw. `wait` (default `'forever'`) limits each wait. An outage of the backend does not end it earlier, except in the
   * last `retryInterval`. The idea is that of client-go's leader election; this one has a fence, and hands over instead of
   * polling.
   *
   * The call ends when `fn` returns or throws by itself, when `options.signal` aborts, or when the registry closes. In the
   * last two cases `lease.signal` aborts, and the lease is held and renewed until `fn` has settled. If `fn` does not
   * settle, the diagnostics channel `latchkey:lead` reports it: see {@link LeadTrace}.
   * @returns what `fn` returns.
   * @throws what `fn` throws by itself; the reason of `options.signal`; LockClosedError; LockTimeoutError when `wait`
   * is over; LockNotObtainedError when a `retry` strategy ends; LockUsageError for `mode: 'read'` and `limit`.
   * @example
   * await locker.lead('scheduler', (lease) => runScheduler({ signal: lease.signal }), { ttl: '10s', signal: stopping });
   */
  abstract lead<T>(key: string, fn: (lease: Lease) => T | Promise<T>, options?: AcquireOptions): Promise<T>;

  /** A handle to lock and unlock `key`, any number of times. Nothing is locked yet. @throws LockUsageError */
  abstract New(key: string, ttl?: Duration, options?: AcquireOptions): Lock;

  /** Who holds the key and who waits for it; null when there is neither. */
  abstract inspect(key: string): Promise<LockInfo | null>;

  /**
   * Lists the locks under this locker's prefix that are held, awaited or at rest, in no promised order. With `prefix`, only
   * those whose keys begin with it. Keys are as the caller named them. Redis is searched in small steps with pauses
   * between them, which use a tenth of its time: about 12 s for a million keys of any kind.
   * @throws LockConfigError when the driver cannot list.
   */
  abstract list(options?: ListOptions): AsyncIterable<LockInfo>;

  /**
   * Ends the hold of `key` that has exactly this fence. Its holder is told: `lease.signal` aborts with the reason
   * `revoked`. With a `grace` (default 0), the holder keeps the lease for that time, without renewal, and can release it
   * without a loss. Then the next waiter gets the lock. Resolves to false when there is no such hold.
   * @throws LockConfigError when the driver cannot revoke.
   */
  abstract revoke(key: string, fence: number, options?: { grace?: Duration | undefined }): Promise<boolean>;
}
