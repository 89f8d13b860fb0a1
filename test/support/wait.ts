export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/**
 * Resolves with the first truthy answer of `condition`, asked every 10 ms.
 * Rejects after `timeoutMs`, naming `what` and the last error `condition` threw, if any.
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  timeoutMs = 20_000,
  what = String(condition),
): Promise<NonNullable<T>> {
  const deadline = performance.now() + timeoutMs;
  let cause: unknown;
  do {
    try {
      const answer = await condition();
      if (answer) return answer;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    await sleep(10);
  } while (performance.now() < deadline);
  throw new Error(`waited ${timeoutMs} ms in vain for: ${what}${cause ? `\n${cause}` : ''}`, { cause });
}

// A process that runs does nothing for so long at most, in ms.
const LONGEST_PAUSE = 50;

export interface Stopwatch {
  /** ms for which this process ran: what it stood still, alone or with the machine, is left out. */
  stop(): number;
  /** The longest time that it stood still, in ms. */
  readonly longestStall: number;
}

/** Measures a time that a slow or stalling machine does not make much longer, to bound it from above. */
export function stopwatch(): Stopwatch {
  let ran = 0;
  let longestStall = 0;
  let last = performance.now();
  const count = () => {
    const now = performance.now();
    ran += Math.min(now - last, LONGEST_PAUSE);
    longestStall = Math.max(longestStall, now - last);
    last = now;
  };
  const timer = setInterval(count, 10).unref();
  return {
    stop() {
      clearInterval(timer);
      count();
      return ran;
    },
    get longestStall() {
      return longestStall;
    },
  };
}

export interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(reason: unknown): void;
}

/** A promise with its two ends in your hand. */
export function deferred<T = void>(): Deferred<T> {
  let resolve!: (value: T) => void;
  let reject!: (reason: unknown) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

/** Keeps this process from doing anything else for `ms`: no timer fires, no socket is read. */
export function blockEventLoop(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** As {@link blockEventLoop}, for `ms` and then until `condition` holds, for 20 s at most. */
export function blockEventLoopUntil(condition: () => boolean, ms: number): void {
  blockEventLoop(ms);
  for (let tries = 0; !condition() && tries < 1_000; tries++) blockEventLoop(20);
}
