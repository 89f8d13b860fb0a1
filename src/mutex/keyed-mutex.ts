import { checkSignal } from '../core/abort.js';
import { checkFn, checkObject } from '../core/check.js';
import { type Clock, sleep, systemClock } from '../core/clock.js';
import { parseDuration, parseWait, type Wait } from '../core/duration.js';
import { LockNotHeldError, LockTimeoutError } from '../core/errors.js';
import { checkRetry, type RetryStrategy } from '../core/retry.js';
import { WaitQueue } from './wait-queue.js';

export interface WaitOptions {
  /** How long to wait: ms, text such as `'5s'`, or `'forever'` (the default). 0 tries once. */
  wait?: Wait | undefined;
  /** Ends the waiting: rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

const ENTERED = Promise.resolve();

// A key that one writer holds with nobody behind: it takes no memory but its entry in the map.
const ALONE = true;

// One entry that never leaves. V8 makes a new table for a map that empties and fills again: this spares a third of the
// time. And at a full garbage collection it drops the code optimised for a kind of object of which none is left.
const NEVER_LEAVES = Symbol();
const EXAMPLE = new WaitQueue(true, 0);

/**
 * A read/write mutex for every key, inside one process. Any Map key will do: `123` and `'123'` are two keys.
 *
 * First come, first served. Readers that stand together at the head enter together; a waiting writer keeps later
 * readers out. Who times out or aborts leaves the line at once. A key takes memory while it is held or awaited, and
 * no longer. There is no owner and no expiry: whoever calls `unlock` unlocks.
 */
export class KeyedMutex<K = unknown> {
  readonly #queues = new Map<K | typeof NEVER_LEAVES, WaitQueue | typeof ALONE>([[NEVER_LEAVES, EXAMPLE]]);
  readonly #clock: Clock;
  /** Whoever wants a key that others want is seldom the last: where there is a line, the key looked for last is known. */
  #lastKey: K | typeof NEVER_LEAVES = NEVER_LEAVES;
  #last: WaitQueue = EXAMPLE;

  constructor(options: { clock?: Clock } = {}) {
    this.#clock = options.clock ?? systemClock;
  }

  /**
   * Waits for the key and takes it.
   * @throws LockTimeoutError when `wait` runs out, the signal's reason when it aborts, LockUsageError.
   */
  lock(key: K, options?: WaitOptions): Promise<void> {
    return this.#lock(key, true, options);
  }

  /** Takes the key now, or not. */
  tryLock(key: K): boolean {
    return this.#tryLock(key, true);
  }

  /** Tries as `retry` says; false when that ends. It stands in no line: {@link lock} is fair, this is not. */
  async tryLockWithRetry(key: K, retry: RetryStrategy): Promise<boolean> {
    checkRetry('retry', retry);
    for (const delay of retry) {
      const ms = parseDuration('retry', delay);
      if (ms > 0) await sleep(ms, this.#clock);
      if (this.tryLock(key)) return true;
    }
    return false;
  }

  /** @throws LockNotHeldError when no writer holds the key. */
  unlock(key: K): void {
    const queue = this.#find(key);
    if (queue === ALONE) return void this.#queues.delete(key);
    if (!queue?.writer) throw new LockNotHeldError(key);
    if (queue.leaveWriter()) this.#forget(key);
  }

  /** Runs `fn` while holding the key; frees it whatever `fn` does. */
  lockFunc<T>(key: K, fn: () => T | Promise<T>, options?: WaitOptions): Promise<T> {
    return this.#run(key, true, fn, options);
  }

  /** True when `fn` ran: the key was free. */
  tryLockFunc(key: K, fn: () => unknown): Promise<boolean> {
    return this.#tryRun(key, true, fn);
  }

  /** As {@link lock}, shared with other readers. */
  rLock(key: K, options?: WaitOptions): Promise<void> {
    return this.#lock(key, false, options);
  }

  /** As {@link tryLock}, shared with other readers; false also while a writer waits. */
  tryRLock(key: K): boolean {
    return this.#tryLock(key, false);
  }

  /** @throws LockNotHeldError when no reader holds the key. */
  rUnlock(key: K): void {
    const queue = this.#find(key);
    if (queue === ALONE || !queue?.readers) throw new LockNotHeldError(key);
    if (queue.leaveReader()) this.#forget(key);
  }

  /** As {@link lockFunc}, shared with other readers. */
  rLockFunc<T>(key: K, fn: () => T | Promise<T>, options?: WaitOptions): Promise<T> {
    return this.#run(key, false, fn, options);
  }

  /** As {@link tryLockFunc}, shared with other readers. */
  tryRLockFunc(key: K, fn: () => unknown): Promise<boolean> {
    return this.#tryRun(key, false, fn);
  }

  /** False while the key is held or awaited. Never needed: idle keys take no memory. */
  remove(key: K): boolean {
    return !this.#queues.has(key);
  }

  /** Drops idle state, of which there is none. Never frees a held key. */
  clear(): void {}

  /** Whether anyone holds the key, reader or writer. */
  isLocked(key: K): boolean {
    return this.#queues.has(key);
  }

  /** How many wait for the key. */
  waiting(key: K): number {
    const queue = this.#queues.get(key);
    return queue === ALONE ? 0 : (queue?.length ?? 0);
  }

  /** How many keys are held or awaited. */
  get size(): number {
    return this.#queues.size - 1;
  }

  #find(key: K): WaitQueue | typeof ALONE | undefined {
    if (key === this.#lastKey) return this.#last;
    const queue = this.#queues.get(key);
    if (queue !== undefined && queue !== ALONE) {
      this.#lastKey = key;
      this.#last = queue;
    }
    return queue;
  }

  /** Nobody holds or awaits the key any more. */
  #forget(key: K): void {
    this.#queues.delete(key);
    this.#lastKey = NEVER_LEAVES;
    this.#last = EXAMPLE;
  }

  #tryLock(key: K, write: boolean): boolean {
    const queue = this.#find(key);
    if (queue !== undefined) return queue !== ALONE && queue.tryEnter(write);
    this.#open(key, write);
    return true;
  }

  /** Takes a key that nobody holds. */
  #open(key: K, write: boolean): void {
    this.#queues.set(key, write ? ALONE : new WaitQueue(false, 1));
  }

  #lock(key: K, write: boolean, options: WaitOptions | undefined): Promise<void> {
    if (options === undefined) {
      const queue = this.#find(key);
      if (queue === undefined) {
        this.#open(key, write);
        return ENTERED;
      }
      const line = queue === ALONE ? this.#line(key) : queue;
      return line.tryEnter(write) ? ENTERED : line.wait(write);
    }
    try {
      checkObject('options', options);
      const { wait = 'forever', signal } = options;
      const ms = parseWait('wait', wait);
      checkSignal(signal);
      signal?.throwIfAborted();
      if (this.#tryLock(key, write)) return ENTERED;
      if (ms === 0) throw new LockTimeoutError(key, 0);
      return this.#line(key).waitWithin(write, { wait: ms, signal, clock: this.#clock, key });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** The line of a key that is held. */
  #line(key: K): WaitQueue {
    let queue = this.#queues.get(key)!;
    if (queue === ALONE) {
      queue = new WaitQueue(true, 0);
      this.#queues.set(key, queue);
    }
    return queue;
  }

  async #run<T>(key: K, write: boolean, fn: () => T | Promise<T>, options?: WaitOptions): Promise<T> {
    checkFn(fn);
    await this.#lock(key, write, options);
    return this.#finish(key, write, fn);
  }

  async #tryRun(key: K, write: boolean, fn: () => unknown): Promise<boolean> {
    checkFn(fn);
    if (!this.#tryLock(key, write)) return false;
    await this.#finish(key, write, fn);
    return true;
  }

  async #finish<T>(key: K, write: boolean, fn: () => T | Promise<T>): Promise<T> {
    try {
      return await fn();
    } finally {
      if (write) this.unlock(key);
      else this.rUnlock(key);
    }
  }
}

/** The module's own mutex: one set of keys for the whole process. */
export const mutex: KeyedMutex = new KeyedMutex();
