import { type Lease, LockLostError, type LockMode } from 'latchkey';
import { type HistoryEvent, historyNow } from 'latchkey/testing';
import type { Journal } from './journal.js';

/** What a lease and a lock handle have in common. */
export type Held = Pick<Lease, 'fence' | 'signal' | 'held' | 'ttl'>;

/** Writes down what becomes of one try to hold some keys. */
export class Attempt {
  readonly askedAt = historyNow();
  /** Of the lease it obtained. */
  fence: number | undefined;
  #until = 0;
  #over = false;

  constructor(
    readonly journal: Journal,
    readonly hold: string,
    readonly keys: readonly string[],
    readonly mode: LockMode,
  ) {
    this.#write('acquire', 'invoke');
  }

  /** The backend has its place, and keeps it until it is granted, or `until` at the earliest. */
  placed(until: number): void {
    this.journal.write({ note: 'placed', at: historyNow(), until, hold: this.hold });
  }

  /** It holds. */
  obtained(lease: Held): void {
    const at = historyNow();
    this.#until = at + lease.ttl();
    this.fence = lease.fence;
    // A lease of several keys tells the largest of their fences only.
    const fence = this.keys.length === 1 && { fence: lease.fence };
    this.#write('acquire', 'ok', { at, until: this.#until, ...fence });
    const { signal } = lease;
    const lost = () => {
      // A leader is told to end while it holds.
      if (this.#over || !(signal.reason instanceof LockLostError)) return;
      this.#over = true;
      // What the closing takes away is given back.
      const closed = signal.reason.reason === 'closed';
      if (closed) this.#write('release', 'invoke');
      else this.#write('extend', 'fail');
    };
    if (signal.aborted) lost();
    else signal.addEventListener('abort', lost, { once: true });
  }

  /** It does not hold, surely or maybe. */
  refused(sure: boolean): void {
    this.#write('acquire', sure ? 'fail' : 'info');
  }

  /** Writes down until when it may believe that it holds, if that has changed. */
  look(lease: Held): void {
    const at = historyNow();
    const until = at + lease.ttl();
    if (this.#over || !lease.held || Math.abs(until - this.#until) < 1) return;
    this.#until = until;
    this.#write('extend', 'ok', { at, until });
  }

  /** If it is held, it has been held since `at`, though nobody could look. */
  outlived(lease: Held, at: number): void {
    if (this.#over || !lease.held) return;
    this.#until = historyNow() + lease.ttl();
    this.#write('extend', 'ok', { at, until: this.#until });
  }

  /** It has asked, at that time, to have its time changed: a shorter one may be in force from now on. */
  extending(at: number, lease: Held): void {
    if (!this.#over) this.#write('extend', 'invoke', { at, until: historyNow() + lease.ttl() });
  }

  releasing(): void {
    this.#over = true;
    this.#write('release', 'invoke');
  }

  /** True or false, or undefined where the answer does not say. */
  released(answer: boolean | undefined): void {
    this.#write('release', answer === undefined ? 'info' : answer ? 'ok' : 'fail');
  }

  #write(op: HistoryEvent['op'], type: HistoryEvent['type'], more: Partial<HistoryEvent> = {}): void {
    const { hold, mode, journal } = this;
    for (const key of this.keys) journal.write({ hold, key, mode, op, type, at: historyNow(), ...more });
  }
}
