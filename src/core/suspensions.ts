import { uptime } from 'node:os';
import { type Clock, systemClock } from './clock.js';

/** The clocks of a machine, in ms. */
export interface Readings {
  /** Since 1970: goes on while the machine is suspended, and may step. Cheap to read. */
  wall(): number;
  /** Does not step, and may stand still while the machine is suspended. */
  monotonic(): number;
  /** Does not step, and goes on while the machine is suspended. */
  sinceBoot(): number;
}

// What clocks differ by when nothing has happened: the time since boot is told in hundredths of a second.
const NOTICED_MS = 50;
const SINCE_BOOT_STEP_MS = 10;
// A reading between which and the next one so much time has gone is taken again, so many times.
const CLOSE_MS = 5;
const READINGS = 5;

/**
 * How long the machine has been suspended. On Linux neither `performance.now()` nor a timer counts that time, and a lease
 * ends meanwhile. A step of the wall clock is none.
 */
export class Suspensions {
  readonly #readings: Readings;
  /** Of the wall clock to the monotonic one. As long as it stays, the machine has not been suspended. */
  #gap: number;
  /** Of the time since boot to the monotonic one, at the beginning. */
  readonly #from: number;
  #total = 0;

  constructor(readings: Readings) {
    this.#readings = readings;
    this.#gap = readings.wall() - readings.monotonic();
    this.#from = this.#sinceBoot();
  }

  /** ms, rather too many than too few, but for suspensions of less than 50 ms; it never falls. */
  total(): number {
    const gap = this.#readings.wall() - this.#readings.monotonic();
    if (Math.abs(gap - this.#gap) >= NOTICED_MS) {
      this.#gap = gap;
      const total = this.#sinceBoot() - this.#from + SINCE_BOOT_STEP_MS;
      if (total - this.#total >= NOTICED_MS) this.#total = total;
    }
    return this.#total;
  }

  /** How much later it is since boot than by the monotonic clock. */
  #sinceBoot(): number {
    const { monotonic, sinceBoot } = this.#readings;
    for (let readings = 1; ; readings++) {
      const before = monotonic();
      const ahead = sinceBoot() - before;
      if (readings === READINGS || monotonic() - before < CLOSE_MS) return ahead;
    }
  }
}

// Not as a test runner's fake timers may replace it: they stop the one clock and not the other.
const monotonic = performance.now.bind(performance);

/** Of this machine. */
export const suspensions = new Suspensions({
  wall: () => Date.now(),
  monotonic,
  sinceBoot: () => {
    try {
      return uptime() * 1_000;
    } catch {
      return monotonic();
    }
  },
});

/** The system's clock, which knows how long the machine has been suspended. Leases need that; a mutex does not. */
export const machineClock: Clock = { ...systemClock, suspended: () => suspensions.total() };
