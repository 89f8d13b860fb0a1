import { checkNames } from '../core/check.js';
import { type Clock, systemClock } from '../core/clock.js';
import type { RetryStrategy } from '../core/retry.js';
import { KeyedQueue, type WaitOptions } from './keyed-queue.js';
import { EVERYONE, EXCLUSIVE } from './wait-queue.js';

const WRITE = EXCLUSIVE;
const READ = EVERYONE;

/**
 * A read/write mutex for every key, inside one process. A key is any value that a Map takes as a key: `123` and `'123'`
 * are two keys.
 *
 * Waiters get the key in the order of asking. Readers that are next to each other in the queue enter together. A
 * waiting writer keeps later readers out. A waiter that times out or aborts leaves the queue at once. A key takes
 * memory only while it is held or awaited. A mutex has no owner and does not expire: any call of `unlock` unlocks the
 * key.
 */
export class KeyedMutex<K = unknown> {
  readonly #queue: KeyedQueue<K>;

  /** @throws LockUsageError for an unknown option. */
  constructor(options: { clock?: Clock } = {}) {
    checkNames(options, ['clock']);
    this.#queue = new KeyedQueue(options.clock ?? systemClock);
  }

  /**
   * Waits for the key and takes it.
   * @throws LockTimeoutError when `wait` runs out, the signal's reason when it aborts, LockUsageError.
   */
  lock(key: K, options?: WaitOptions): Promise<void> {
    return this.#queue.enter(key, WRITE, options);
  }

  /** Tries once to take the key. True when it was taken. */
  tryLock(key: K): boolean {
    return this.#queue.tryEnter(key, WRITE);
  }

  /**
   * Tries when `retry` says; false when that ends, or `options.wait` does. It waits in no queue: {@link lock} is fair, this
   * is not. Between two tries the event loop turns, also with delays of 0.
   * @throws the signal's reason when it aborts, LockUsageError.
   */
  tryLockWithRetry(key: K, retry: RetryStrategy, options?: WaitOptions): Promise<boolean> {
    return this.#queue.enterWithRetry(key, WRITE, retry, options);
  }

  /** @throws LockNotHeldError when no writer holds the key. */
  unlock(key: K): void {
    this.#queue.leave(key, true);
  }

  /** Runs `fn` with the key locked, and unlocks the key also when `fn` throws. */
  lockFunc<T>(key: K, fn: () => T | Promise<T>, options?: WaitOptions): Promise<T> {
    return this.#queue.run(key, WRITE, fn, options);
  }

  /** True when `fn` ran: the key was free. */
  tryLockFunc(key: K, fn: () => unknown): Promise<boolean> {
    return this.#queue.tryRun(key, WRITE, fn);
  }

  /** As {@link lock}, shared with other readers. */
  rLock(key: K, options?: WaitOptions): Promise<void> {
    return this.#queue.enter(key, READ, options);
  }

  /** As {@link tryLock}, shared with other readers; false also while a writer waits. */
  tryRLock(key: K): boolean {
    return this.#queue.tryEnter(key, READ);
  }

  /** @throws LockNotHeldError when no reader holds the key. */
  rUnlock(key: K): void {
    this.#queue.leave(key, false);
  }

  /** As {@link lockFunc}, shared with other readers. */
  rLockFunc<T>(key: K, fn: () => T | Promise<T>, options?: WaitOptions): Promise<T> {
    return this.#queue.run(key, READ, fn, options);
  }

  /** As {@link tryLockFunc}, shared with other readers. */
  tryRLockFunc(key: K, fn: () => unknown): Promise<boolean> {
    return this.#queue.tryRun(key, READ, fn);
  }

  /** False while the key is held or awaited. Never needed: idle keys take no memory. */
  remove(key: K): boolean {
    return !this.#queue.has(key);
  }

  /** Does nothing, since idle keys have no state. Never frees a held key. */
  clear(): void {}

  /** Whether anyone holds the key, reader or writer. */
  isLocked(key: K): boolean {
    return this.#queue.has(key);
  }

  /** How many wait for the key. */
  waiting(key: K): number {
    return this.#queue.waiting(key);
  }

  /** How many keys are held or awaited. */
  get size(): number {
    return this.#queue.size;
  }
}

/** The module's own mutex: one set of keys for the whole process. */
export const mutex: KeyedMutex = new KeyedMutex();
