import { onAbort } from './abort.js';

/** The source of time. A test can use its own clock: see `FakeClock` in `latchkey/testing`. */
export interface Clock {
  /** Monotonic ms; only differences mean anything. */
  now(): number;
  /** Calls `fn` once, not before `ms` have passed. */
  after(ms: number, fn: () => void): Timer;
  /** Calls `fn` in the next turn of the event loop. Default: `setImmediate`. */
  turn?(fn: () => void): void;
  /** ms for which the machine has been suspended, which `now()` may not have counted. It never falls. Default: 0. */
  suspended?(): number;
}

export interface Timer {
  cancel(): void;
  /** Whether the process stays alive while this is pending; at first it does. */
  keepAlive(yes: boolean): void;
}

/**
 * After a stall, timers fire before sockets are read. Whoever waits for an answer polls this often, this many ms apart,
 * before it reports a time-out: a reply that was delivered is not taken for one that is missing.
 */
export const LOOKS = 4;
export const LOOK_MS = 25;

// setTimeout fires at once beyond this.
const LONGEST_TIMEOUT = 2 ** 31 - 1;

class SystemTimer implements Timer {
  #handle!: NodeJS.Timeout;
  #alive = true;

  constructor(ms: number, fn: () => void) {
    this.#arm(ms, fn);
  }

  cancel(): void {
    clearTimeout(this.#handle);
  }

  keepAlive(yes: boolean): void {
    this.#alive = yes;
    if (yes) this.#handle.ref();
    else this.#handle.unref();
  }

  #arm(ms: number, fn: () => void): void {
    const step = Math.min(Math.ceil(ms), LONGEST_TIMEOUT);
    this.#handle = setTimeout(() => (step < ms ? this.#arm(ms - step, fn) : fn()), step);
    if (!this.#alive) this.#handle.unref();
  }
}

// Globals are looked up at each call, so that a test runner's fake timers reach them.
export const systemClock: Clock = {
  now: () => performance.now(),
  after: (ms, fn) => new SystemTimer(ms, fn),
};

/**
 * Resolves after `ms`; below 1 ms, which no timer can do, after the current turn of the event loop. Rejects with the
 * signal's reason when that aborts first.
 */
export function sleep(ms: number, clock: Clock, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    if (ms < 1) return turn(clock, () => (signal?.aborted ? reject(signal.reason) : resolve()));
    const stop =
      signal &&
      onAbort(signal, () => {
        timer.cancel();
        reject(signal.reason);
      });
    const timer = clock.after(ms, () => {
      stop?.();
      resolve();
    });
  });
}

function turn(clock: Clock, fn: () => void): void {
  if (clock.turn) clock.turn(fn);
  else setImmediate(fn);
}
