import { checkLimit, checkNames } from '../core/check.js';
import { type Clock, systemClock } from '../core/clock.js';
import type { RetryStrategy } from '../core/retry.js';
import { KeyedQueue, type WaitOptions } from './keyed-queue.js';
import { EVERYONE } from './wait-queue.js';

/**
 * A semaphore for every key, inside one process: at most `limit` permits of a key are taken at once. A key is any value
 * that a Map takes as a key: `123` and `'123'` are two keys.
 *
 * Waiters get permits in the order of asking, and no other call gets a permit before a waiter. A key takes memory only
 * while one of its permits is taken or awaited. Permits have no owner and do not expire: any call of `unlock` releases
 * one.
 *
 * ```ts
 * const calls = new KeyedSemaphore<string>((tenant) => (tenant === 'big' ? 20 : 5));
 * await calls.lockFunc('acme', () => fetch(url), { wait: '2s' });
 * ```
 */
export class KeyedSemaphore<K = unknown> {
  readonly #queue: KeyedQueue<K>;
  readonly #limit: number | ((key: K) => number);

  /**
   * @param limit How many permits a key has: a whole number of at least 1, or `Infinity`. A function is called with the
   * key, once by each call that asks for a permit. So the limit may change. Each call keeps the limit that it got, also
   * while it waits, and taken permits stay taken.
   * @throws LockUsageError for any other limit, and for an unknown option. If a function returns such a limit, the call
   * fails with this error and takes nothing.
   */
  constructor(limit: number | ((key: K) => number), options: { clock?: Clock } = {}) {
    checkNames(options, ['clock']);
    this.#queue = new KeyedQueue(options.clock ?? systemClock);
    this.#limit = typeof limit === 'function' ? limit : permits(limit);
  }

  /**
   * Waits for a permit and takes it.
   * @throws LockTimeoutError when `wait` runs out, the signal's reason when it aborts, LockUsageError.
   */
  lock(key: K, options?: WaitOptions): Promise<void> {
    try {
      return this.#queue.enter(key, this.#limitOf(key), options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Tries once to take a permit. True when it was taken. False also while others wait. @throws LockUsageError */
  tryLock(key: K): boolean {
    return this.#queue.tryEnter(key, this.#limitOf(key));
  }

  /**
   * Tries when `retry` says; false when that ends, or `options.wait` does. It waits in no queue: {@link lock} is fair, this
   * is not. Between two tries the event loop turns, also with delays of 0.
   * @throws the signal's reason when it aborts, LockUsageError.
   */
  async tryLockWithRetry(key: K, retry: RetryStrategy, options?: WaitOptions): Promise<boolean> {
    return this.#queue.enterWithRetry(key, this.#limitOf(key), retry, options);
  }

  /** Releases a permit. @throws LockNotHeldError when no permit of the key is taken. */
  unlock(key: K): void {
    this.#queue.leave(key, false);
  }

  /** Runs `fn` with a permit, and releases the permit also when `fn` throws. */
  async lockFunc<T>(key: K, fn: () => T | Promise<T>, options?: WaitOptions): Promise<T> {
    return this.#queue.run(key, this.#limitOf(key), fn, options);
  }

  /** True when `fn` ran: there was a permit. */
  async tryLockFunc(key: K, fn: () => unknown): Promise<boolean> {
    return this.#queue.tryRun(key, this.#limitOf(key), fn);
  }

  /** False while a permit is taken or awaited. Never needed: idle keys take no memory. */
  remove(key: K): boolean {
    return !this.#queue.has(key);
  }

  /** Does nothing, since idle keys have no state. Never releases a permit. */
  clear(): void {}

  /** Whether any permit of the key is taken. */
  isLocked(key: K): boolean {
    return this.#queue.has(key);
  }

  /** How many wait for a permit of the key. */
  waiting(key: K): number {
    return this.#queue.waiting(key);
  }

  /** How many keys have a permit that is taken or awaited. */
  get size(): number {
    return this.#queue.size;
  }

  #limitOf(key: K): number {
    return typeof this.#limit === 'number' ? this.#limit : permits(this.#limit(key));
  }
}

const permits = (limit: unknown): number => Math.min(checkLimit('limit', limit), EVERYONE);
