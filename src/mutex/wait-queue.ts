import { onAbort } from '../core/abort.js';
import type { Clock, Timer } from '../core/clock.js';

/** The limit of a caller that must be alone inside. All other limits are whole numbers of at least 1. */
export const EXCLUSIVE = 0;

/** What an exclusive caller adds to the number inside, and the largest limit: a reader's. One of V8's small integers. */
export const EVERYONE = 2 ** 30 - 1;

/** Whether a caller with this limit may enter while this many are inside. */
export const fits = (limit: number, inside: number): boolean => inside < (limit || 1);

/** What a caller with this limit adds to the number inside. */
export const weight = (limit: number): number => (limit === EXCLUSIVE ? EVERYONE : 1);

/** What may end a wait, and who is told. */
export interface Bounds {
  /** ms; may be `Infinity`. */
  readonly wait: number;
  readonly signal: AbortSignal | undefined;
  readonly clock: Clock;
  timedOut(): void;
  aborted(reason: unknown): void;
}

/** One that waits. Small, for there may be many. */
interface Waiter<B> {
  next: Waiter<B> | undefined;
  readonly limit: number;
  readonly enter: () => void;
  readonly exit: Exit<B> | undefined;
}

/** What it takes to leave from the middle of the queue. */
interface Exit<B> {
  previous: Waiter<B> | undefined;
  readonly bounds: B;
  timer?: Timer;
  stopListening?: () => void;
}

/**
 * The callers inside, counted, and those that wait, in order. A caller enters while fewer than its own limit are inside; an
 * exclusive one enters while nobody is, and keeps everybody else out. The first waiter enters as soon as it fits, and no
 * other caller enters before it. Joining the queue, and leaving it from any place, is O(1).
 */
export class WaitQueue<B extends Bounds = Bounds> {
  length = 0;
  #head: Waiter<B> | undefined = undefined;
  #tail: Waiter<B> | undefined = undefined;

  constructor(public inside: number) {}

  /** Enters now if it fits and nobody waits. */
  tryEnter(limit: number): boolean {
    if (this.#head || !fits(limit, this.inside)) return false;
    this.inside += weight(limit);
    return true;
  }

  /** Waits without bounds; resolves inside. */
  wait(limit: number): Promise<void> {
    return new Promise((enter) => {
      this.#push({ next: undefined, limit, enter, exit: undefined });
    });
  }

  /** Waits within `bounds`. One of `enter`, `timedOut` and `aborted` is called, once, and none may throw. */
  waitWithin(limit: number, bounds: B, enter: () => void): void {
    const { wait, signal, clock } = bounds;
    const exit: Exit<B> = { previous: this.#tail, bounds };
    const waiter: Waiter<B> = { next: undefined, limit, enter, exit };
    this.#push(waiter);
    const leave = (): void => {
      this.#unlink(waiter, exit.previous);
      this.#admit();
    };
    if (wait < Infinity) {
      exit.timer = clock.after(wait, () => {
        leave();
        bounds.timedOut();
      });
    }
    if (signal) {
      exit.stopListening = onAbort(signal, () => {
        leave();
        bounds.aborted(signal.reason);
      });
    }
  }

  /** An exclusive caller leaves, or one with a limit; the waiters that fit now enter. True when nobody is inside then. */
  leave(exclusive: boolean): boolean {
    const its = exclusive ? EVERYONE : 1;
    const next = this.#head;
    // The commonest hand-over takes no loop.
    if (next && next.limit === EXCLUSIVE && !next.exit && this.inside === its) {
      this.#unlink(next, undefined);
      this.inside = EVERYONE;
      next.enter();
      return false;
    }
    this.inside -= its;
    this.#admit();
    return this.inside === 0;
  }

  /** Empties the queue and returns the bounds of those that waited within any. None of their methods is called. */
  drain(): B[] {
    const all = [...this];
    while (this.#head) this.#unlink(this.#head, undefined);
    return all;
  }

  /** The bounds of those that wait within any, in order. */
  *[Symbol.iterator](): Generator<B, void, void> {
    for (let waiter = this.#head; waiter; waiter = waiter.next) if (waiter.exit) yield waiter.exit.bounds;
  }

  #admit(): void {
    for (let waiter = this.#head; waiter && fits(waiter.limit, this.inside); waiter = this.#head) {
      this.#unlink(waiter, undefined);
      const bounds = waiter.exit?.bounds;
      // A signal shared by many tells them one after the other: those not told yet must not enter meanwhile.
      if (bounds?.signal?.aborted) {
        bounds.aborted(bounds.signal.reason);
        continue;
      }
      this.inside += weight(waiter.limit);
      waiter.enter();
    }
  }

  #push(waiter: Waiter<B>): void {
    if (this.#tail) this.#tail.next = waiter;
    else this.#head = waiter;
    this.#tail = waiter;
    this.length++;
  }

  #unlink({ next, exit }: Waiter<B>, previous: Waiter<B> | undefined): void {
    if (previous) previous.next = next;
    else this.#head = next;
    if (!next) this.#tail = previous;
    else if (next.exit) next.exit.previous = previous;
    this.length--;
    exit?.timer?.cancel();
    exit?.stopListening?.();
  }
}
