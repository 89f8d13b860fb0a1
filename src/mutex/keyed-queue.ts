import { checkSignal } from '../core/abort.js';
import { checkFn, checkNames } from '../core/check.js';
import type { Clock } from '../core/clock.js';
import { parseWait, type Wait } from '../core/duration.js';
import { LockNotHeldError, LockTimeoutError } from '../core/errors.js';
import { attempts, checkRetry, type RetryStrategy } from '../core/retry.js';
import { EVERYONE, EXCLUSIVE, fits, WaitQueue, weight } from './wait-queue.js';

export interface WaitOptions {
  /** How long to wait: ms, text such as `'5s'`, or `'forever'` (the default). 0 tries once. */
  wait?: Wait | undefined;
  /** Cancels the wait; the call rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

const OPTIONS = ['wait', 'signal'];
const ENTERED = Promise.resolve();

// One entry that never leaves. V8 makes a new table for a map that empties and fills again: this spares a third of the
// time. And at a full garbage collection it drops the code optimised for a kind of object of which none is left.
const NEVER_LEAVES = Symbol();
const EXAMPLE = new WaitQueue(EVERYONE);

/**
 * A {@link WaitQueue} for every key, while the key is held or awaited. A key for which nobody has waited yet has no queue,
 * only the number inside.
 */
export class KeyedQueue<K> {
  readonly #entries = new Map<K | typeof NEVER_LEAVES, WaitQueue | number>([[NEVER_LEAVES, EXAMPLE]]);
  readonly #clock: Clock;
  // A contended key is looked up again and again: the last one with a queue is kept at hand.
  #lastKey: K | typeof NEVER_LEAVES = NEVER_LEAVES;
  #last: WaitQueue = EXAMPLE;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Enters now, or not. */
  tryEnter(key: K, limit: number): boolean {
    const entry = this.#find(key);
    if (entry === undefined) {
      this.#entries.set(key, weight(limit));
      return true;
    }
    if (typeof entry !== 'number') return entry.tryEnter(limit);
    if (!fits(limit, entry)) return false;
    this.#entries.set(key, entry + 1);
    return true;
  }

  /** Waits and enters. */
  enter(key: K, limit: number, options: WaitOptions | undefined): Promise<void> {
    if (options !== undefined) return this.#enterWithin(key, limit, options);
    return this.tryEnter(key, limit) ? ENTERED : this.#queue(key).wait(limit);
  }

  /** Tries as `retry` says, within the wait; false when either ends. */
  async enterWithRetry(
    key: K,
    limit: number,
    retry: RetryStrategy,
    options: WaitOptions = {},
  ): Promise<boolean> {
    checkRetry('retry', retry);
    const { wait, signal } = check(options);
    const bounds = { deadline: this.#clock.now() + wait, clock: this.#clock, signal };
    for await (const _ of attempts(retry, bounds)) if (this.tryEnter(key, limit)) return true;
    return false;
  }

  /** An exclusive caller leaves, or one with a limit. @throws LockNotHeldError when no such caller is inside. */
  leave(key: K, exclusive: boolean): void {
    const entry = this.#find(key);
    if (entry === undefined) throw new LockNotHeldError(key);
    if (typeof entry === 'number') {
      if (entry === (exclusive ? EVERYONE : 1)) return void this.#entries.delete(key);
      if (exclusive || entry === EVERYONE) throw new LockNotHeldError(key);
      this.#entries.set(key, entry - 1);
    } else {
      if ((entry.inside === EVERYONE) !== exclusive) throw new LockNotHeldError(key);
      if (entry.leave(exclusive)) this.#forget(key);
    }
  }

  /** Runs `fn` inside. */
  async run<T>(key: K, limit: number, fn: () => T | Promise<T>, options?: WaitOptions): Promise<T> {
    checkFn(fn);
    await this.enter(key, limit, options);
    return this.#finish(key, limit, fn);
  }

  /** Runs `fn` inside if it can enter now; whether it did. */
  async tryRun(key: K, limit: number, fn: () => unknown): Promise<boolean> {
    checkFn(fn);
    if (!this.tryEnter(key, limit)) return false;
    await this.#finish(key, limit, fn);
    return true;
  }

  has(key: K): boolean {
    return this.#entries.has(key);
  }

  waiting(key: K): number {
    const entry = this.#entries.get(key);
    return typeof entry === 'object' ? entry.length : 0;
  }

  get size(): number {
    return this.#entries.size - 1;
  }

  async #finish<T>(key: K, limit: number, fn: () => T | Promise<T>): Promise<T> {
    try {
      return await fn();
    } finally {
      this.leave(key, limit === EXCLUSIVE);
    }
  }

  #enterWithin(key: K, limit: number, options: WaitOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      const { wait, signal } = check(options);
      if (signal?.aborted) return reject(signal.reason);
      if (this.tryEnter(key, limit)) return resolve();
      const timedOut = () => reject(new LockTimeoutError(key, wait));
      if (wait === 0) return timedOut();
      const bounds = { wait, signal, clock: this.#clock, timedOut, aborted: reject };
      this.#queue(key).waitWithin(limit, bounds, resolve);
    });
  }

  #find(key: K): WaitQueue | number | undefined {
    if (key === this.#lastKey) return this.#last;
    const entry = this.#entries.get(key);
    if (entry !== undefined && typeof entry !== 'number') {
      this.#lastKey = key;
      this.#last = entry;
    }
    return entry;
  }

  /** The queue of a key that is held. */
  #queue(key: K): WaitQueue {
    const entry = this.#find(key)!;
    if (typeof entry === 'object') return entry;
    const queue = new WaitQueue(entry);
    this.#entries.set(key, queue);
    return queue;
  }

  #forget(key: K): void {
    this.#entries.delete(key);
    this.#lastKey = NEVER_LEAVES;
    this.#last = EXAMPLE;
  }
}

function check(options: WaitOptions): { wait: number; signal: AbortSignal | undefined } {
  checkNames(options, OPTIONS);
  const { wait = 'forever', signal } = options;
  const ms = parseWait('wait', wait);
  checkSignal(signal);
  return { wait: ms, signal };
}
