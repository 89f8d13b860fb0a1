/// <reference lib="esnext.disposable" preserve="true" />
import { checkNames } from '../core/check.js';
import type { Duration } from '../core/duration.js';
import { LockNotHeldError, LockUsageError } from '../core/errors.js';
import type { WaitOptions } from '../mutex/keyed-queue.js';
import type { Lease } from './lease.js';
import type { Locker } from './locker.js';
import type { AcquireOptions } from './options.js';

/** A handle to lock and unlock one key any number of times, one hold at a time. `New` creates it. */
export class Lock implements AsyncDisposable {
  readonly #locker: Locker;
  readonly #options: AcquireOptions;
  #lease: Lease | undefined;
  #busy = false;
  /** How often it was disposed of. */
  #disposals = 0;

  /** @internal Call {@link Locker.New}. */
  constructor(
    locker: Locker,
    readonly key: string,
    options: AcquireOptions,
  ) {
    this.#locker = locker;
    this.#options = options;
  }

  /**
   * Waits for the lock and takes it.
   * @throws LockTimeoutError, LockBackendError, LockUsageError when this handle already holds the lock or waits for it, or
   * is disposed of meanwhile.
   */
  async lock(options: WaitOptions = {}): Promise<void> {
    checkNames(options, ['wait', 'signal']);
    const { wait = this.#options.wait, signal = this.#options.signal } = options;
    await this.#take(() => this.#locker.acquire(this.key, { ...this.#options, wait, signal }));
  }

  /** Tries once to take the lock. Resolves to false when it is held, also by this handle. @throws LockBackendError */
  async tryLock(): Promise<boolean> {
    if (this.#busy || this.held) return false;
    await this.#take(() => this.#locker.tryAcquire(this.key, { ...this.#options, wait: 0 }));
    return this.#lease !== undefined;
  }

  /** Releases the lock. Resolves to false when it was not locked, or no longer held. @throws LockBackendError. */
  async unlock(): Promise<boolean> {
    const lease = this.#lease;
    this.#lease = undefined;
    return lease ? lease.release() : false;
  }

  /** Whether this handle surely holds the lock now. */
  get held(): boolean {
    return this.#lease?.held ?? false;
  }

  /** The fence of the current hold. @throws LockNotHeldError without one. */
  get fence(): number {
    return this.#current.fence;
  }

  /** Aborts when the current hold is lost. @throws LockNotHeldError without one. */
  get signal(): AbortSignal {
    return this.#current.signal;
  }

  /** ms left of the current hold; 0 without one. */
  ttl(): number {
    return this.#lease?.ttl() ?? 0;
  }

  /** Sets the time left, by default to the ttl given to `New`. False: lost, or not locked. */
  async refresh(ttl?: Duration): Promise<boolean> {
    return (await this.#lease?.refresh(ttl)) ?? false;
  }

  /** Adds to the time left. False: lost, or not locked. */
  async extend(by: Duration): Promise<boolean> {
    return (await this.#lease?.extend(by)) ?? false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposals++;
    const lease = this.#lease;
    this.#lease = undefined;
    await lease?.[Symbol.asyncDispose]();
  }

  get #current(): Lease {
    if (!this.#lease) throw new LockNotHeldError(this.key, 'this handle is not locked: call lock() first');
    return this.#lease;
  }

  async #take(acquire: () => Promise<Lease | null>): Promise<void> {
    if (this.#busy || this.held) {
      throw new LockUsageError(
        'lock',
        this.key,
        'a handle that is not locked: unlock it first, or make another with New()',
        {
          key: this.key,
        },
      );
    }
    this.#busy = true;
    const disposals = this.#disposals;
    try {
      const lease = (await acquire()) ?? undefined;
      if (disposals === this.#disposals) this.#lease = lease;
      else {
        // Nobody would unlock it.
        await lease?.[Symbol.asyncDispose]();
        throw new LockUsageError('lock', this.key, 'a handle that is not disposed of while it waits', {
          key: this.key,
        });
      }
    } finally {
      this.#busy = false;
    }
  }
}
