import type { Duration } from '../core/duration.js';
import type { ListProgress, LockInfo } from './driver.js';
import type { Lease } from './lease.js';
import type { Lock } from './lock.js';
import type { OnceOptions, OnceResult } from './once.js';
import type { AcquireOptions } from './options.js';

/** A key, or several to be taken together: in sorted order, all or none, released in reverse. */
export type Keys = string | readonly string[];

/** What `tryWith` gives: the value of its function, or that the key was not free. */
export type TryWithResult<T> = { acquired: true; value: T } | { acquired: false };

export interface ListOptions {
  /** What the keys begin with. Default: any. */
  prefix?: string | undefined;
  /** Called as the search goes on, where the backend has keys to search that may be no locks: on Redis. */
  onProgress?: ((progress: ListProgress) => void) | undefined;
}

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

  /**
   * Runs `fn` at most once a slot, in all processes: `once('billing', fireTime, fn)`. Give the time at which the job was
   * to start as the slot, not the time at which it does.
   *
   * The slot is the lock `<key>@<slot>`: a Date is written as its ISO text in UTC, a number as decimal. `fn` runs under
   * it as in {@link with}; afterwards it rests for `keep` (default 24 h), and so the slot is done. When `fn` throws, the
   * slot is free, or with `onError: 'keep'` done. A process that dies under `fn` leaves the slot to others after its ttl.
   *
   * `ran: false`: it runs elsewhere, or has run. It does not wait unless `wait` is given.
   * @throws what `fn` throws; LockLostError when the lease was lost under it; LockBackendError when it ran and the slot
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
   * Leader election: campaigns for the key, runs `fn` as the only one, and renews. When the lease is lost,
   * `lease.signal` aborts; once `fn` has settled, it campaigns again, whatever `fn` gave or threw. `wait` is `'forever'`
   * unless given, for each campaign, and an outage of the backend ends none before. As client-go's leader election,
   * with a fence, and with a hand-over to the next instead of polling.
   *
   * It ends when `fn` returns or throws by itself, when `options.signal` aborts, or when the registry closes: in the
   * latter two `lease.signal` aborts while the lease is still held and renewed, until `fn` has settled. A `fn` that does
   * not settle is told of on the diagnostics channel `latchkey:lead`: see {@link LeadTrace}.
   * @returns what `fn` returns.
   * @throws what `fn` throws by itself; the reason of `options.signal`; LockClosedError; LockTimeoutError when `wait`
   * runs out; LockUsageError for `mode: 'read'` and `limit`.
   * @example
   * await locker.lead('scheduler', (lease) => runScheduler({ signal: lease.signal }), { ttl: '10s', signal: stopping });
   */
  abstract lead<T>(key: string, fn: (lease: Lease) => T | Promise<T>, options?: AcquireOptions): Promise<T>;

  /** A handle to lock and unlock `key`, any number of times. Nothing is locked yet. @throws LockUsageError */
  abstract New(key: string, ttl?: Duration, options?: AcquireOptions): Lock;

  /** Who holds the key, or null. */
  abstract inspect(key: string): Promise<LockInfo | null>;

  /**
   * The locks under this locker's prefix that are held or awaited, or rest, as the backend goes through them: those whose
   * keys begin with `prefix`, by default all. Keys are as the caller named them. Redis is searched in small steps, which
   * take it a tenth of the time: about 12 s for a million keys, locks or not.
   * @throws LockConfigError where the driver cannot list.
   */
  abstract list(options?: ListOptions): AsyncIterable<LockInfo>;

  /**
   * Takes away the hold of `key` that has this very fence. Its holder is told: `lease.signal` aborts, with reason
   * `revoked`. With a `grace` (default 0) the lease is held for that long, but not renewed, and a release within it is no
   * loss. Then the next in the queue has the lock. False: there is no such hold.
   * @throws LockConfigError where the driver cannot revoke.
   */
  abstract revoke(key: string, fence: number, options?: { grace?: Duration | undefined }): Promise<boolean>;
}
