import type { Clock, Timer } from '../core/clock.js';
import type { Link } from './link.js';
import type { ClaimId, Freeing, LockStore, StoreError } from './store.js';

// How long a release waits for a lost connection to come back.
const RECONNECT_MS = 500;
// How soon what failed is sent again; each time twice as late, up to the longest.
const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 5_000;
// How many are kept for a store that is away.
const MOST_PENDING = 10_000;
// How many that leave in one turn go together.
const MOST_GATHERED = 1_000;
// How many calls are on their way at once when many are sent again.
const WINDOW = 32;

/** What the store may still have, and nobody wants. */
type Pending = PendingLeave | PendingFree;

/** A place, and what it may have become. */
interface PendingLeave extends ClaimId {
  /** `clock.now()` from which on the store has let go of it by itself. */
  readonly until: number;
  readonly late: boolean;
  readonly done?: (() => void) | undefined;
}

/** A hold that could not be freed. */
interface PendingFree extends Omit<PendingLeave, 'late'> {
  readonly freeing: Freeing;
}

/** One call of the store, and what it gives up. */
interface Call {
  readonly of: readonly Pending[];
  readonly send: () => Promise<unknown>;
}

let warned = false;

/**
 * Frees holds and gives up places. What fails is sent again, in batches, while the store may still have it: when the
 * connection is back, and less and less often where the store refuses it. What is kept is bounded: of more than 10,000
 * the oldest are forgotten, with one process warning, and end by their ttl.
 */
export class PendingReleases {
  readonly #clock: Clock;
  readonly #store: LockStore;
  readonly #link: Link;
  /** How many calls are on their way. */
  #sending = 0;
  #onAllSent: (() => void) | undefined;
  /** What is to be sent again, or when there is a connection. */
  #pending: Pending[] = [];
  /** Those that leave in this turn, to be sent together. */
  #leaving: PendingLeave[] = [];
  #retry: Timer | undefined;
  #retryMs = FIRST_RETRY_MS;
  #closed = false;

  constructor(clock: Clock, store: LockStore, link: Link) {
    this.#clock = clock;
    this.#store = store;
    this.#link = link;
  }

  /** Gives up the place of a claim, and what it may have become. `done` is called when the store has answered. */
  leave(id: ClaimId, until: number, late: boolean, done?: () => void): void {
    if (this.#closed) return;
    const pending = { key: id.key, token: id.token, until, late, done };
    // A claim may still be on its way that the lost connection has taken.
    if (!this.#link.ready) return this.#keep({ ...pending, late: true });
    this.#leaving.push(pending);
    if (this.#leaving.length === 1) queueMicrotask(() => this.#sendLeaving());
    else if (this.#leaving.length === MOST_GATHERED) this.#sendLeaving();
  }

  /**
   * Frees a hold; true when it was ours until then, also if it is in use and is freed later. `surelyOurs`: it is held at
   * this moment, so that a second attempt, after an answer was lost, need not find it.
   * @throws LockBackendError when the store does not answer; it is freed later then.
   */
  free(id: ClaimId, how: Freeing, until: number, surelyOurs: boolean): Promise<boolean> {
    const freed = this.#store.free(id, how).then(
      (answer) => {
        this.#link.answered(id.key);
        return answer === 'freed';
      },
      (error: StoreError) => this.#freeAgain(id, how, until, surelyOurs, error),
    );
    this.#track(freed);
    return freed;
  }

  /** Sends all that is kept: the connection is back. */
  flush(): void {
    this.#retry?.cancel();
    this.#retry = undefined;
    this.#sendLeaving();
    if (!this.#link.ready) return;
    const now = this.#clock.now();
    const due = this.#pending.filter(({ until }) => now < until);
    this.#pending = [];
    this.#track(this.#sendAll([...this.#leaves(due), ...this.#frees(due)]));
  }

  /** Resolves when nothing is on its way. What is kept then is forgotten. */
  async close(): Promise<void> {
    if (this.#sending > 0) await new Promise<void>((resolve) => (this.#onAllSent = resolve));
    this.#closed = true;
    this.#retry?.cancel();
    this.#pending = [];
  }

  #sendLeaving(): void {
    this.#track(this.#sendAll(this.#leaves(this.#leaving.splice(0))));
  }

  async #freeAgain(
    id: ClaimId,
    how: Freeing,
    until: number,
    surelyOurs: boolean,
    error: StoreError,
  ): Promise<boolean> {
    const late = error.outcome === 'unknown';
    try {
      if (!late && error.outcome !== 'not-sent') throw error;
      await this.#link.whenReady(RECONNECT_MS);
      const answer = await this.#store.free(id, how);
      this.#link.answered(id.key);
      return answer === 'freed' || (late && surelyOurs);
    } catch (again) {
      this.#keep({ key: id.key, token: id.token, until, freeing: how });
      this.#retryLater();
      if ((again as StoreError).outcome === 'in-use') return true;
      throw again;
    }
  }

  #keep(pending: Pending): void {
    if (this.#closed) return;
    if (this.#pending.length >= MOST_PENDING) {
      const now = this.#clock.now();
      this.#pending = this.#pending.filter(({ until }) => now < until);
    }
    if (this.#pending.length >= MOST_PENDING) {
      this.#pending.splice(0, MOST_PENDING / 10);
      if (!warned) {
        warned = true;
        process.emitWarning(
          `More than ${MOST_PENDING} releases are pending, since the backend is away or refuses them: the oldest are dropped, and those locks end by their ttl.`,
          { code: 'LATCHKEY_PENDING' },
        );
      }
    }
    this.#pending.push(pending);
  }

  #retryLater(): void {
    if (this.#closed || this.#retry) return;
    this.#retry = this.#clock.after(this.#retryMs, () => {
      this.#retry = undefined;
      this.flush();
    });
    this.#retryMs = Math.min(2 * this.#retryMs, LONGEST_RETRY_MS);
  }

  /** Those that leave, by key and as many in a call as the store takes. */
  #leaves(due: readonly Pending[]): Call[] {
    const batches = new Map<string, PendingLeave[]>();
    const calls: Call[] = [];
    for (const pending of due) {
      if ('freeing' in pending) continue;
      const { key, late } = pending;
      const name = `${late} ${key}`;
      let batch = batches.get(name);
      if (!batch || batch.length >= this.#store.limits.leaveBatch) {
        const of: PendingLeave[] = [];
        batch = of;
        batches.set(name, of);
        const tokens = () => of.map(({ token }) => token);
        calls.push({ of, send: () => this.#store.leave(key, tokens(), late) });
      }
      batch.push(pending);
    }
    return calls;
  }

  #frees(due: readonly Pending[]): Call[] {
    return due.flatMap((pending) =>
      'freeing' in pending ? [{ of: [pending], send: () => this.#store.free(pending, pending.freeing) }] : [],
    );
  }

  async #sendAll(calls: readonly Call[]): Promise<void> {
    for (let from = 0; from < calls.length; from += WINDOW) {
      const sent = calls.slice(from, from + WINDOW);
      const answers = await Promise.allSettled(sent.map(({ send }) => send()));
      const failed: Pending[] = [];
      for (const [i, answer] of answers.entries()) {
        const { of } = sent[i]!;
        if (answer.status === 'rejected') failed.push(...of);
        else {
          this.#link.answered(of[0]!.key);
          for (const { done } of of) done?.();
        }
      }
      if (failed.length === 0) {
        if (this.#pending.length === 0) this.#retryMs = FIRST_RETRY_MS;
        continue;
      }
      // What was refused is sent last, so that it holds up nothing else.
      for (const pending of [...calls.slice(from + WINDOW).flatMap(({ of }) => of), ...failed])
        this.#keep({ ...pending, late: true });
      return this.#retryLater();
    }
  }

  #track(sending: Promise<unknown>): void {
    this.#sending++;
    const done = () => {
      if (--this.#sending === 0) this.#onAllSent?.();
    };
    sending.then(done, done);
  }
}
