import type { Clock } from '../core/clock.js';
import { type LockBackendError, LockClosedError } from '../core/errors.js';

/** What a server has answered. */
export interface Answers {
  /** The number of the last one, counted over all servers: while it grows, this server is slow at worst, not silent. */
  last: number;
  /** `clock.now()` of the last one. */
  at: number;
}

/** What the engine knows of the connection to the store. */
export class Link {
  readonly #clock: Clock;
  readonly #serverOf: (key: string) => string;
  /** By server. */
  readonly #answers = new Map<string, Answers>();
  readonly #whenReady = new Set<() => void>();
  #ready = false;
  #closed = false;
  #fault: LockBackendError;
  #lostAt: number;
  #count = 0;

  /** `serverOf`: which server keeps a key. */
  constructor(clock: Clock, fault: LockBackendError, serverOf: (key: string) => string = () => '') {
    this.#clock = clock;
    this.#serverOf = serverOf;
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

  /** How many calls have been answered, by whichever server. */
  get count(): number {
    return this.#count;
  }

  /** What the server that keeps the key now has answered, about whichever keys. */
  answersFor(key: string): Readonly<Answers> {
    return this.#answersFor(key);
  }

  /** A call about the key was answered. */
  answered(key: string): void {
    const answers = this.#answersFor(key);
    answers.last = ++this.#count;
    answers.at = this.#clock.now();
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

  #answersFor(key: string): Answers {
    const server = this.#serverOf(key);
    let answers = this.#answers.get(server);
    if (!answers) {
      answers = { last: 0, at: -Infinity };
      this.#answers.set(server, answers);
    }
    return answers;
  }

  #wake(): void {
    for (const wake of [...this.#whenReady]) wake();
  }
}
