import { setImmediate } from 'node:timers';
import type { Clock, Timer } from '../core/clock.js';
import { LockUsageError } from '../core/errors.js';

/** How many timers one {@link FakeClock.advance} fires at most. */
const MOST_TIMERS = 100_000;

interface FakeTimer {
  readonly at: number;
  readonly fn: () => void;
}

/**
 * A clock that only a test moves, so that leases expire and waits end without sleeping. It never goes back. Times are
 * ms. A time that is not a finite number of at least 0 throws a LockUsageError.
 */
export class FakeClock implements Clock {
  readonly #timers = new Set<FakeTimer>();
  #now: number;
  #advanced: Promise<void> = Promise.resolve();

  constructor(now = 0) {
    this.#now = checkMs('now', now);
  }

  now(): number {
    return this.#now;
  }

  /** As {@link Clock.after}; a timer of `Infinity` never fires. A negative `ms` counts as 0. */
  after(ms: number, fn: () => void): Timer {
    if (typeof ms !== 'number' || Number.isNaN(ms)) throw new LockUsageError('ms', ms, 'a number');
    const timer = { at: this.#now + Math.max(0, ms), fn };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer), keepAlive: () => {} };
  }

  /** Timers that have neither fired nor been cancelled. */
  get pending(): number {
    return this.#timers.size;
  }

  /**
   * Moves the time forward by `ms` and fires the timers that are due, in order and each at its own time. Before,
   * between and after them, all promise continuations that can run do run. A timer that is set meanwhile also fires, if
   * it is due before the end. A second call begins when the first has ended.
   *
   * Rejects with the error of a timer, at the time of that timer. Rejects with a LockUsageError after 100,000 timers,
   * because a renewed lease sets new timers without end. Ten minutes of a lease of 10 s take fewer than three hundred.
   */
  async advance(ms: number): Promise<void> {
    checkMs('ms', ms);
    const advanced = this.#advanced.then(() => this.#advance(ms));
    this.#advanced = advanced.catch(() => {});
    return advanced;
  }

  /**
   * Moves the time forward by `ms` at once and fires nothing, as if the event loop were blocked. The next `advance`,
   * also one of 0, fires the overdue timers.
   */
  jump(ms: number): void {
    this.#now += checkMs('ms', ms);
  }

  async #advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settled();
    for (let fired = 0, timer = this.#first(end); timer; timer = this.#first(end)) {
      if (++fired > MOST_TIMERS) {
        throw new LockUsageError('ms', ms, `a time in which at most ${MOST_TIMERS} timers fire`);
      }
      this.#timers.delete(timer);
      this.#now = Math.max(this.#now, timer.at);
      timer.fn();
      await settled();
    }
    this.#now = Math.max(this.#now, end);
  }

  #first(end: number): FakeTimer | undefined {
    let first: FakeTimer | undefined;
    for (const timer of this.#timers) if (timer.at <= end && !(first && first.at <= timer.at)) first = timer;
    return first;
  }
}

// As it was before a test runner's fake timers.
const realSetImmediate = setImmediate;
const settled = () => new Promise<void>((resolve) => realSetImmediate(resolve));

function checkMs(option: string, ms: unknown): number {
  if (typeof ms === 'number' && ms >= 0 && ms < Infinity) return ms;
  throw new LockUsageError(option, ms, 'a finite number of ms, at least 0');
}
