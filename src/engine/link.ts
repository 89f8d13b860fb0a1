import type { Clock } from '../core/clock.js';
import { type LockBackendError, LockClosedError } from '../core/errors.js';

/** What the engine knows of the connection to the store. */
export class Link {
  readonly #clock: Clock;
  readonly #whenReady = new Set<() => void>();
  #ready = false;
  #closed = false;
  #fault: LockBackendError;
  #lostAt: number;
  #answers = 0;
  #answeredAt = -Infinity;

  constructor(clock: Clock, fault: LockBackendError) {
    this.#clock = clock;
    this.#fault = fault;
    this.#lostAt = clock.now();
  }

  get ready(): boolean {
    return this.#ready;
  }

  /** `clock.now()` of when it was ready last. */
  get lostAt(): number {
    return this.#ready ? this.#clock.now() : this.#lostAt;
  }

  /** Why it is not ready. */
  get fault(): LockBackendError {
    return this.#fault;
  }

  /** How many calls the store has answered: while this grows, the store is slow at worst, not silent. */
  get answers(): number {
    return this.#answers;
  }

  /** `clock.now()` of the last answer. */
  get answeredAt(): number {
    return this.#answeredAt;
  }

  answered(): void {
    this.#answers++;
    this.#answeredAt = this.#clock.now();
  }

  up(): void {
    this.#ready = true;
    this.#wake();
  }

  down(fault: LockBackendError): void {
    if (this.#ready) this.#lostAt = this.#clock.now();
    this.#ready = false;
    this.#fault = fault;
  }

  close(): void {
    this.#closed = true;
    this.#wake();
  }

  /** Resolves when ready. @throws LockBackendError when it is not after `ms`, LockClosedError */
  whenReady(ms: number): Promise<void> {
    if (this.#closed) return Promise.reject(new LockClosedError());
    if (this.#ready) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const wake = () => {
        timer.cancel();
        this.#whenReady.delete(wake);
        if (this.#ready) resolve();
        else reject(this.#closed ? new LockClosedError() : this.#fault);
      };
      const timer = this.#clock.after(ms, wake);
      this.#whenReady.add(wake);
    });
  }

  #wake(): void {
    for (const wake of [...this.#whenReady]) wake();
  }
}
