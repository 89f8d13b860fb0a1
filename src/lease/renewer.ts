import type { Clock } from '../core/clock.js';
import { type Deadline, Deadlines } from '../core/deadlines.js';
import type { Extension, Grant } from './driver.js';

/** What came of a renewal: `failed` may be tried again, `over` means that nothing is to be renewed any more. */
export type Outcome = 'renewed' | 'failed' | 'over';

/** Extensions on their way. */
export interface Sent {
  readonly extensions: readonly Extension[];
  /** Takes in the answers, which stand in the order of the extensions. */
  answered(answers: readonly (Grant | null | Error)[]): Outcome;
}

/** What the renewer knows of a hold. As a {@link Deadline}, it is told when it is to be renewed, or over. */
export interface Renewable extends Deadline {
  /** When to renew, by `clock.now()`; `Infinity`: not any more. */
  readonly renewAt: number;
  /** When its time is up, by `clock.now()`. */
  readonly deadline: number;
  /** Undefined: it is over. */
  startRenewal(): Sent | undefined;
  /** Its time is up. */
  expire(): void;
}

// After a fault, a renewal is tried again when so much of the time left is gone, and not before so many ms.
const RETRY_AFTER = 1 / 8;
const LEAST_PAUSE = 10;

/** One timer that keeps many holds alive, in batches, and tells those whose time is up. */
export class Renewer {
  readonly #clock: Clock;
  readonly #extend: (extensions: readonly Extension[]) => Promise<(Grant | null | Error)[]>;
  readonly #alarms: Deadlines;
  readonly #due: Renewable[] = [];

  constructor(clock: Clock, extend: (extensions: readonly Extension[]) => Promise<(Grant | null | Error)[]>) {
    this.#clock = clock;
    this.#extend = extend;
    this.#alarms = new Deadlines(clock);
  }

  /** Keeps the hold alive from now on, given what came of its latest renewal. */
  watch(hold: Renewable, outcome: Outcome = 'renewed'): void {
    if (outcome === 'over') return this.unwatch(hold);
    let { renewAt } = hold;
    if (outcome === 'failed') {
      const now = this.#clock.now();
      renewAt = Math.max(renewAt, now + Math.max(LEAST_PAUSE, (hold.deadline - now) * RETRY_AFTER));
    }
    this.#alarms.set(hold, Math.min(renewAt, hold.deadline));
  }

  unwatch(hold: Renewable): void {
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
  due(hold: Renewable): void {
    if (this.#clock.now() >= hold.deadline) hold.expire();
    else if (this.#due.push(hold) === 1) queueMicrotask(() => void this.#renew(this.#due.splice(0)));
  }

  async #renew(due: readonly Renewable[]): Promise<void> {
    const renewals: { hold: Renewable; sent: Sent }[] = [];
    for (const hold of due) {
      const sent = hold.startRenewal();
      if (!sent) continue;
      renewals.push({ hold, sent });
      // The deadline stays set while the answer is awaited: silence must not outlast the hold.
      this.watch(hold);
    }
    if (renewals.length === 0) return;
    const answers = await this.#extend(renewals.flatMap(({ sent }) => sent.extensions));
    let from = 0;
    for (const { hold, sent } of renewals) {
      const to = from + sent.extensions.length;
      this.watch(hold, sent.answered(answers.slice(from, to)));
      from = to;
    }
  }
}
