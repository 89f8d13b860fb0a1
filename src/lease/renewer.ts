import type { Clock } from '../core/clock.js';
import { type Deadline, Deadlines } from '../core/deadlines.js';
import type { Extension, Grant } from './driver.js';

/** What came of a renewal: `failed` may be tried again, `over` means that nothing is to be renewed any more. */
export type Outcome = 'renewed' | 'failed' | 'over';

/** Renewals on their way: extensions for a driver, or what a store takes. */
export interface Sent<Request = Extension, Answer = Grant | null | Error> {
  readonly requests: readonly Request[];
  /** Takes in the answers, which stand in the order of the requests. */
  answered(answers: readonly Answer[]): Outcome;
}

/** What the renewer knows of a hold. As a {@link Deadline}, it is told when it is to be renewed, or over. */
export interface Renewable<Request = Extension, Answer = Grant | null | Error> extends Deadline {
  /** When to renew, by `clock.now()`; `Infinity`: not any more. */
  readonly renewAt: number;
  /** When its time is up, by `clock.now()`. */
  readonly deadline: number;
  /** Undefined: it is over. */
  startRenewal(): Sent<Request, Answer> | undefined;
  /** Its time is up. */
  expire(): void;
}

// After a fault, a renewal is tried again when so much of the time left is gone, and not before so many ms.
const RETRY_AFTER = 1 / 8;
const LEAST_PAUSE = 10;

// A thread knows no deadline later than four years from now: what lasts longer must not seem nearly over.
const LONGEST_TTL = 31_536_000_000;

/**
 * When to renew what lasts until `until`: once the share `gone` of its ttl is gone, on a grid, so that holds of one ttl are
 * renewed together.
 */
export function renewalDue(until: number, ttl: number, gone: number): number {
  const counted = Math.min(ttl, LONGEST_TTL);
  const grid = counted / 32;
  return Math.floor((until - counted * (1 - gone)) / grid) * grid;
}

/** A hold whose renewal is on its way. */
interface Renewal<Request, Answer> {
  readonly hold: Renewable<Request, Answer>;
  readonly sent: Sent<Request, Answer>;
}

/** One timer that keeps many holds alive, in batches, and tells those whose time is up. */
export class Renewer<Request = Extension, Answer = Grant | null | Error> {
  readonly #clock: Clock;
  readonly #send: (requests: readonly Request[]) => Promise<readonly Answer[]>;
  readonly #most: number;
  readonly #alarms: Deadlines;
  readonly #due: Renewable<Request, Answer>[] = [];

  /**
   * `send` answers in the order of the requests, and never rejects. `most`: how many holds it renews at once. They are
   * answered together, so those that different servers keep must not be among them.
   */
  constructor(
    clock: Clock,
    send: (requests: readonly Request[]) => Promise<readonly Answer[]>,
    most = Infinity,
  ) {
    this.#clock = clock;
    this.#send = send;
    this.#most = most;
    this.#alarms = new Deadlines(clock);
  }

  /** Keeps the hold alive from now on, given what came of its latest renewal. */
  watch(hold: Renewable<Request, Answer>, outcome: Outcome = 'renewed'): void {
    if (outcome === 'over') return this.unwatch(hold);
    let { renewAt } = hold;
    if (outcome === 'failed') {
      const now = this.#clock.now();
      renewAt = Math.max(renewAt, now + Math.max(LEAST_PAUSE, (hold.deadline - now) * RETRY_AFTER));
    }
    this.#alarms.set(hold, Math.min(renewAt, hold.deadline));
  }

  unwatch(hold: Renewable<Request, Answer>): void {
    this.#alarms.clear(hold);
  }

  /** Whether the process must live on, for somebody works under a lease; as many `true` as `false`. */
  keepAlive(yes: boolean): void {
    this.#alarms.keepAlive(yes);
  }

  /** Nothing is renewed any more. */
  stop(): void {
    this.#alarms.stop();
  }

  /** The hold's alarm went off. */
  due(hold: Renewable<Request, Answer>): void {
    const now = this.#clock.now();
    if (now >= hold.deadline) hold.expire();
    // It has been renewed meanwhile, by another thread.
    else if (now < hold.renewAt) this.watch(hold);
    else if (this.#due.push(hold) === 1) queueMicrotask(() => this.#renew(this.#due.splice(0)));
  }

  #renew(due: readonly Renewable<Request, Answer>[]): void {
    const renewals: Renewal<Request, Answer>[] = [];
    for (const hold of due) {
      const sent = hold.startRenewal();
      if (!sent) continue;
      renewals.push({ hold, sent });
      // The deadline stays set while the answer is awaited: silence must not outlast the hold.
      this.watch(hold);
    }
    for (let from = 0; from < renewals.length; from += this.#most)
      void this.#sendTogether(renewals.slice(from, from + this.#most));
  }

  async #sendTogether(renewals: readonly Renewal<Request, Answer>[]): Promise<void> {
    const answers = await this.#send(renewals.flatMap(({ sent }) => sent.requests));
    let from = 0;
    for (const { hold, sent } of renewals) {
      const to = from + sent.requests.length;
      this.watch(hold, sent.answered(answers.slice(from, to)));
      from = to;
    }
  }
}
