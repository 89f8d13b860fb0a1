import type { Clock, Timer } from '../../src/core/clock.js';
import type { Random } from '../support/random.js';
import type { Lane, Moment, Owner, World } from './world.js';

export interface ProcessTraits {
  /** Its clock shows this at the start. */
  readonly offset: number;
  /** How many of its ms pass in one. */
  readonly rate: number;
  /** How late its timers are at most, in ms. */
  readonly lateness: number;
  /** How long anything that it does keeps it busy at most, in ms. */
  readonly effort: number;
}

/** A simulated process: a clock, timers that may be late, and times when it does nothing. */
export class SimProcess implements Owner {
  readonly clock: Clock;
  /** When what is sent to it gets to it. */
  readonly inbound: Clock;
  /** When what it sends gets away. */
  readonly outbound: Clock;
  readonly #world: World;
  readonly #traits: ProcessTraits;
  readonly #random: Random;
  readonly #timers = new Set<Moment>();
  #busyUntil = 0;
  #dead = false;
  #observed = false;

  constructor(
    readonly name: string,
    world: World,
    traits: ProcessTraits,
    random: Random,
  ) {
    this.#world = world;
    this.#traits = traits;
    this.#random = random;
    this.clock = {
      now: () => this.#local(this.#present),
      after: (ms, fn) => this.#after(ms, fn),
      turn: (fn) => this.later(0, fn),
    };
    this.inbound = { now: this.clock.now, after: (ms, fn) => this.#arrive(ms, fn) };
    this.outbound = {
      now: () => this.#present,
      after: (ms, fn) => this.#timer(world.at(this.#present + ms, fn)),
    };
  }

  get busyUntil(): number {
    return this.#busyUntil;
  }

  get dead(): boolean {
    return this.#dead;
  }

  /** Timers that neither fired nor were cancelled. */
  get timers(): number {
    return this.#timers.size;
  }

  /** How many of its ms pass in one. */
  get rate(): number {
    return this.#traits.rate;
  }

  /** How late its timers are at most, in ms. */
  get lateness(): number {
    return this.#traits.lateness;
  }

  /** `world.now` for it, who may be ahead after a block. */
  get present(): number {
    return this.#present;
  }

  /** It does nothing for `ms`. In the middle of what it does, its clock goes on. */
  block(ms: number): void {
    this.#busyUntil = Math.max(this.#busyUntil, this.#world.now) + ms;
  }

  kill(): void {
    this.#dead = true;
  }

  /** Calls `fn` with its clock at `world.now`, though it may do nothing then. */
  observe<T>(fn: () => T): T {
    this.#observed = true;
    try {
      return fn();
    } finally {
      this.#observed = false;
    }
  }

  /** Does `fn` as the process, in `ms`. */
  later(ms: number, fn: () => void, lane: Lane = 'timer'): void {
    this.#schedule(ms, fn, lane);
  }

  /** Does `fn` as the process, in `ms`, for who watches it. */
  watch(ms: number, fn: () => void): void {
    this.#world.afterAllAt(this.#present + ms, fn, this);
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.later(ms, resolve));
  }

  get #present(): number {
    return this.#observed ? this.#world.now : Math.max(this.#world.now, this.#busyUntil);
  }

  #local(at: number): number {
    return this.#traits.offset + at * this.#traits.rate;
  }

  #schedule(ms: number, fn: () => void, lane: Lane): Moment {
    const run = () => {
      fn();
      const { effort } = this.#traits;
      if (effort > 0) this.block(this.#random.next() * effort);
    };
    return this.#world.at(this.#present + ms, run, this, lane);
  }

  #after(ms: number, fn: () => void): Timer {
    const { rate, lateness } = this.#traits;
    // Node rounds up, and never fires early.
    const due = Math.max(1, Math.ceil(ms)) / rate + 1e-6;
    const late = lateness > 0 ? this.#random.next() * lateness : 0;
    const moment: Moment = this.#schedule(
      due + late,
      () => {
        this.#timers.delete(moment);
        fn();
      },
      'timer',
    );
    this.#timers.add(moment);
    return {
      cancel: () => {
        this.#timers.delete(moment);
        this.#world.cancel(moment);
      },
      keepAlive: () => {},
    };
  }

  #arrive(ms: number, fn: () => void): Timer {
    return this.#timer(this.#schedule(ms, fn, 'network'));
  }

  #timer(moment: Moment): Timer {
    return { cancel: () => this.#world.cancel(moment), keepAlive: () => {} };
  }
}
