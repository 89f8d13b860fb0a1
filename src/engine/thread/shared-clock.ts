import type { Clock } from '../../core/clock.js';

/** What threads need to agree on a time. Sent to a worker as it is. */
export interface SharedTime {
  /** `process.hrtime.bigint()` of the shared time 0: unlike `performance.now()` it is the same in all threads. */
  readonly origin: bigint;
  readonly beat: SharedArrayBuffer;
}

// A deadline is never 0 of the shared time.
const BEFORE_NS = 1_000_000_000n;
// How often the two clocks are read together: the closest pair counts.
const READINGS = 10;

/**
 * The clock of this thread, and how its time is told to another thread. Also the heart-beat of the main thread, by which
 * the other one knows that the event loop turns.
 */
export class SharedClock {
  readonly #clock: Clock;
  readonly #offset: number;
  readonly #beat: BigUint64Array;

  constructor(clock: Clock, time: SharedTime) {
    this.#clock = clock;
    this.#offset = offsetOf(clock, time.origin);
    this.#beat = new BigUint64Array(time.beat);
  }

  static time(): SharedTime {
    return { origin: process.hrtime.bigint() - BEFORE_NS, beat: new SharedArrayBuffer(8) };
  }

  now(): number {
    return this.#clock.now();
  }

  toShared(at: number): number {
    return at + this.#offset;
  }

  fromShared(at: number): number {
    return at - this.#offset;
  }

  /** `now()` of the latest heart-beat. */
  get beat(): number {
    return this.fromShared(Number(Atomics.load(this.#beat, 0)));
  }

  /** The event loop of the main thread turns. */
  tick(): void {
    Atomics.store(this.#beat, 0, BigInt(Math.ceil(this.toShared(this.now()))));
  }
}

/** What is to be added to a time of `clock` for the shared time, in ms; too much rather than too little. */
function offsetOf(clock: Clock, origin: bigint): number {
  let offset = 0;
  let closest = Infinity;
  for (let i = 0; i < READINGS; i++) {
    const before = process.hrtime.bigint();
    const now = clock.now();
    const after = process.hrtime.bigint();
    const apart = Number(after - before);
    if (apart >= closest) continue;
    closest = apart;
    offset = Number(after - origin) / 1e6 - now;
  }
  return offset;
}
