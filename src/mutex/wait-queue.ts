import { onAbort } from '../core/abort.js';
import type { Clock, Timer } from '../core/clock.js';

/** The limit of who must be alone inside. All other limits are numbers of at least 1: see {@link fits}. */
export const EXCLUSIVE = 0;

/** How many an exclusive one counts for, and the largest limit. Small enough that V8 keeps twice of it as an integer. */
export const EVERYONE = 2 ** 29;

/** Whether one with this limit may enter where so many are inside: while they are fewer than its limit. */
export const fits = (limit: number, inside: number): boolean => inside < (limit || 1);

/** What one with this limit adds to the number inside. */
export const weight = (limit: number): number => (limit === EXCLUSIVE ? EVERYONE : 1);

/** What may end the waiting of one who does not wait forever. */
export interface Bounds {
  /** ms; may be `Infinity`. */
  readonly wait: number;
  readonly signal: AbortSignal | undefined;
  readonly clock: Clock;
  timedOut(): void;
  aborted(reason: unknown): void;
}

/** One who waits. Small, for there may be many. */
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
 * Who is inside, and who waits in order. One enters while fewer than its own limit are inside; an exclusive one enters
 * when nobody is, and counts for everyone. The first in the queue enters when it fits, and nobody overtakes it. Entering
 * the queue and leaving it anywhere are O(1).
 */
export class WaitQueue<B extends Bounds = Bounds> {
  length = 0;
  #head: Waiter<B> | undefined = undefined;
  #tail: Waiter<B> | undefined = undefined;

  constructor(public inside: number) {}

  /** Enters if that overtakes nobody. */
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

  /** One who entered with this limit leaves, and who is next enters. True when nobody is inside then. */
  leave(limit: number): boolean {
    this.inside -= weight(limit);
    this.#admit();
    return this.inside === 0;
  }

  /** Adds an exclusive one to those inside, whoever they are: nobody enters until it leaves. */
  block(): void {
    this.inside += EVERYONE;
  }

  /** Empties the queue; gives back the bounds of those who waited within any. */
  drain(): B[] {
    const all = [...this];
    while (this.#head) this.#unlink(this.#head, undefined);
    return all;
  }

  /** The bounds of those who wait within any, in order. */
  *[Symbol.iterator](): Generator<B, void, void> {
    for (let waiter = this.#head; waiter; waiter = waiter.next) if (waiter.exit) yield waiter.exit.bounds;
  }

  #admit(): void {
    for (let waiter = this.#head; waiter && fits(waiter.limit, this.inside); waiter = this.#head) {
      this.#unlink(waiter, undefined);
      const bounds = waiter.exit?.bounds;
      // One signal may end many waits: those it has yet to tell must not enter meanwhile.
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
