import { onAbort } from '../core/abort.js';
import type { Clock, Timer } from '../core/clock.js';
import { LockTimeoutError } from '../core/errors.js';

/** One who stands in a {@link WaitQueue}. Small, for there may be many. */
interface Waiter {
  next: Waiter | undefined;
  readonly write: boolean;
  readonly resolve: () => void;
  readonly limit: Limit | undefined;
}

/** What may end the waiting of one who does not wait for ever: only such a one leaves from the middle of the line. */
interface Limit {
  previous: Waiter | undefined;
  readonly reject: (reason: unknown) => void;
  readonly signal: AbortSignal | undefined;
  timer?: Timer;
  stopListening?: () => void;
}

export interface WaitLimits {
  /** ms; may be `Infinity`. */
  readonly wait: number;
  readonly signal: AbortSignal | undefined;
  readonly clock: Clock;
  /** Named in the error. */
  readonly key: unknown;
}

/** Who is inside one key, and who waits for it in order. Entering the line and leaving it anywhere are O(1). */
export class WaitQueue {
  length = 0;
  #head: Waiter | undefined = undefined;
  #tail: Waiter | undefined = undefined;

  constructor(
    public writer: boolean,
    public readers: number,
  ) {}

  get #idle(): boolean {
    return !this.writer && this.readers === 0;
  }

  /** Goes in if that overtakes nobody. */
  tryEnter(write: boolean): boolean {
    if (this.writer || this.#head || (write && this.readers > 0)) return false;
    this.#enter(write);
    return true;
  }

  /** Resolves inside. */
  wait(write: boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#push({ next: undefined, write, resolve, limit: undefined });
    });
  }

  /** As {@link wait}; rejects, out of the line, when the wait passes or the signal aborts. */
  waitWithin(write: boolean, { wait, signal, clock, key }: WaitLimits): Promise<void> {
    return new Promise((resolve, reject) => {
      const limit: Limit = { previous: this.#tail, reject, signal };
      const waiter: Waiter = { next: undefined, write, resolve, limit };
      this.#push(waiter);
      const leave = (reason: unknown) => {
        this.#unlink(waiter, limit.previous);
        reject(reason);
        this.#admit();
      };
      if (wait < Infinity) limit.timer = clock.after(wait, () => leave(new LockTimeoutError(key, wait)));
      if (signal) limit.stopListening = onAbort(signal, () => leave(signal.reason));
    });
  }

  /** The writer goes, and who is next comes in. True when nobody is inside then. */
  leaveWriter(): boolean {
    const next = this.#head;
    // The usual case costs least: the key stays a writer's.
    if (next?.write && !next.limit) {
      this.#unlink(next, undefined);
      next.resolve();
      return false;
    }
    this.writer = false;
    this.#admit();
    return this.#idle;
  }

  /** As {@link leaveWriter}, of a reader. */
  leaveReader(): boolean {
    this.readers--;
    this.#admit();
    return this.#idle;
  }

  /** Lets in from the head: one writer, or all the readers that stand together. */
  #admit(): void {
    for (let waiter = this.#head; waiter && !this.writer; waiter = this.#head) {
      if (waiter.write && this.readers > 0) return;
      this.#unlink(waiter, undefined);
      const { limit } = waiter;
      // One signal may end many waits: those it has yet to tell must not get in meanwhile.
      if (limit?.signal?.aborted) {
        limit.reject(limit.signal.reason);
        continue;
      }
      this.#enter(waiter.write);
      waiter.resolve();
    }
  }

  #enter(write: boolean): void {
    if (write) this.writer = true;
    else this.readers++;
  }

  #push(waiter: Waiter): void {
    if (this.#tail) this.#tail.next = waiter;
    else this.#head = waiter;
    this.#tail = waiter;
    this.length++;
  }

  #unlink({ next, limit }: Waiter, previous: Waiter | undefined): void {
    if (previous) previous.next = next;
    else this.#head = next;
    if (!next) this.#tail = previous;
    else if (next.limit) next.limit.previous = previous;
    this.length--;
    limit?.timer?.cancel();
    limit?.stopListening?.();
  }
}
