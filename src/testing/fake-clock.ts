import { setImmediate } from 'node:timers';
import type { Clock, Timer } from '../core/clock.js';

/** A clock that stands still until a test moves it: leases expire and waits run out without any sleeping. */
export class FakeClock implements Clock {
  readonly #timers = new Set<{ readonly at: number; readonly fn: () => void }>();
  #now: number;

  constructor(now = 0) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  after(ms: number, fn: () => void): Timer {
    const timer = { at: this.#now + Math.max(0, ms), fn };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer), keepAlive: () => {} };
  }

  /** Timers that have neither fired nor been cancelled. */
  get pending(): number {
    return this.#timers.size;
  }

  /**
   * Moves the time on by `ms`, firing what comes due, in order and each at its own time. Before, between and after,
   * all promise continuations that can run do run. A timer set on the way fires too, if it is due by the end.
   */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settled();
    for (let timer = this.#first(end); timer; timer = this.#first(end)) {
      this.#timers.delete(timer);
      this.#now = Math.max(this.#now, timer.at);
      timer.fn();
      await settled();
    }
    this.#now = end;
  }

  /** Moves the time on by `ms` at once and fires nothing, as a blocked event loop would. */
  jump(ms: number): void {
    this.#now += ms;
  }

  #first(end: number): { readonly at: number; readonly fn: () => void } | undefined {
    let first: { readonly at: number; readonly fn: () => void } | undefined;
    for (const timer of this.#timers) if (timer.at <= end && !(first && first.at <= timer.at)) first = timer;
    return first;
  }
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));
