import { onAbort } from './abort.js';
import type { Clock, Timer } from './clock.js';
import { LockTimeoutError } from './errors.js';

/** One who stands in a {@link WaitQueue}. */
export class Waiter {
  previous: Waiter | undefined;
  next: Waiter | undefined;
  timer: Timer | undefined;
  signal: AbortSignal | undefined;
  stopListening: (() => void) | undefined;

  constructor(
    readonly write: boolean,
    readonly resolve: () => void,
    readonly reject: (reason: unknown) => void,
  ) {}
}

/** Who is inside one key, and who waits for it in order. Entering the line and leaving it anywhere are O(1). */
export class WaitQueue {
  length = 0;
  #head: Waiter | undefined;
  #tail: Waiter | undefined;

  constructor(
    public writer: boolean,
    public readers: number,
  ) {}

  get idle(): boolean {
    return !this.writer && this.readers === 0;
  }

  /** Goes in if that overtakes nobody. */
  tryEnter(write: boolean): boolean {
    if (this.writer || this.#head || (write && this.readers > 0)) return false;
    this.#enter(write);
    return true;
  }

  push(waiter: Waiter): void {
    waiter.previous = this.#tail;
    if (this.#tail) this.#tail.next = waiter;
    else this.#head = waiter;
    this.#tail = waiter;
    this.length++;
  }

  /** Rejects the waiter when `wait` ms pass or the signal aborts, and lets those in whom it was blocking. */
  limit(waiter: Waiter, key: unknown, wait: number, signal: AbortSignal | undefined, clock: Clock): void {
    const leave = (reason: unknown) => {
      this.#unlink(waiter);
      waiter.reject(reason);
      this.admit();
    };
    if (wait < Infinity) waiter.timer = clock.after(wait, () => leave(new LockTimeoutError(key, wait)));
    if (!signal) return;
    waiter.signal = signal;
    waiter.stopListening = onAbort(signal, () => leave(signal.reason));
  }

  /** Lets in from the head: one writer, or all the readers that stand together. */
  admit(): void {
    while (this.#head && !this.writer && !(this.#head.write && this.readers > 0)) {
      const waiter = this.#head;
      this.#unlink(waiter);
      // One signal may end many waits: those it has yet to tell must not get in meanwhile.
      if (waiter.signal?.aborted) {
        waiter.reject(waiter.signal.reason);
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

  #unlink(waiter: Waiter): void {
    if (waiter.previous) waiter.previous.next = waiter.next;
    else this.#head = waiter.next;
    if (waiter.next) waiter.next.previous = waiter.previous;
    else this.#tail = waiter.previous;
    this.length--;
    waiter.timer?.cancel();
    waiter.stopListening?.();
  }
}
