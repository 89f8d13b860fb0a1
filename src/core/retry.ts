import { checkNames } from './check.js';
import { type Clock, sleep } from './clock.js';
import { type Duration, parseDuration } from './duration.js';
import { LockUsageError } from './errors.js';

/**
 * The delays in ms before each try, including the first one (normally 0). When the delays end, the tries end. An empty
 * strategy never tries. A strategy must begin again each time it is iterated, so that one options object can be used
 * many times: an array such as `[0, 10, 20, 50]` is right, a generator object is not.
 */
export type RetryStrategy = Iterable<number>;

export interface BackoffOptions {
  /** How many tries in all; 0 never tries. Default 200. */
  maxRetry?: number;
  /** The first delay. Default 10 ns (`0.00001`). */
  baseDelay?: Duration;
  /** The longest delay, without jitter. Default 100 ms. */
  maxDelay?: Duration;
  /** Each delay is this many times the one before; at least 1. Default 1.1. */
  factor?: number;
  /** The share by which a delay is longer or shorter at random: 0 to 1. Default 0.2. */
  jitter?: number;
}

/** Ready-made strategies. They have no state, so any number of callers can use one strategy at the same time. */
export const retry = {
  /** One try. */
  none: (): RetryStrategy => [0],

  /** One try after each `delay`, without end. */
  linear(delay: Duration): RetryStrategy {
    const ms = parseDuration('delay', delay);
    return strategy(function* () {
      yield 0;
      for (;;) yield ms;
    });
  },

  /** Delays of 4, 8, 16, 32 … ms, but not under `min` or over `max`, without end. The idea is that of bsm/redislock. */
  exponential(min: Duration, max: Duration): RetryStrategy {
    const least = parseDuration('min', min);
    const most = parseDuration('max', max);
    if (most < least) throw new LockUsageError('max', max, `at least \`min\` (${least} ms)`);
    return strategy(function* () {
      yield 0;
      for (let ms = 4; ; ms *= 2) yield Math.min(Math.max(ms, least), most);
    });
  },

  /** `inner`, but at most `retries` tries after the first. */
  limit(inner: RetryStrategy, retries: number): RetryStrategy {
    checkRetry('strategy', inner);
    checkCount('retries', retries);
    return strategy(function* () {
      let left = retries + 1;
      for (const delay of inner) {
        if (left-- === 0) return;
        yield delay;
      }
    });
  },

  /** Growing delays with jitter. The defaults are those of mapmutex, about 4 s in all. */
  backoff(options: BackoffOptions = {}): RetryStrategy {
    checkNames(options, ['maxRetry', 'baseDelay', 'maxDelay', 'factor', 'jitter']);
    const { maxRetry = 200, baseDelay = 0.00001, maxDelay = 100, factor = 1.1, jitter = 0.2 } = options;
    checkCount('maxRetry', maxRetry);
    const base = parseDuration('baseDelay', baseDelay);
    const most = parseDuration('maxDelay', maxDelay);
    check('factor', factor, factor >= 1, 'a finite number of at least 1');
    check('jitter', jitter, jitter >= 0 && jitter <= 1, 'a number from 0 to 1');
    return strategy(function* () {
      for (let tries = 0; tries < maxRetry; tries++) {
        // Not Infinity * 0.
        const delay = base && Math.min(base * factor ** (tries - 1), most);
        yield tries === 0 ? 0 : delay * (1 - jitter + 2 * jitter * Math.random());
      }
    });
  },
};

/**
 * Yields when the next try is due; ends with the strategy, or when `deadline` (of `clock.now()`) has come. Before each
 * try but the first the event loop has turned, also where the strategy has no delays.
 * @throws the signal's reason when it aborts, LockUsageError for a delay that is none.
 */
export async function* attempts(
  strategy: RetryStrategy,
  { deadline, clock, signal }: { deadline: number; clock: Clock; signal: AbortSignal | undefined },
): AsyncGenerator<void, void, void> {
  signal?.throwIfAborted();
  let tried = false;
  for (const delay of strategy) {
    const ms = parseDuration('retry', delay);
    if (tried || ms > 0) {
      const left = deadline - clock.now();
      await sleep(Math.min(ms, left), clock, signal);
      if (ms > left || clock.now() >= deadline) return;
    }
    yield;
    tried = true;
  }
}

/** @throws LockUsageError for what is no {@link RetryStrategy}, a one-shot iterator among them. */
export function checkRetry(option: string, value: unknown): asserts value is RetryStrategy {
  const iterable = value as Iterable<number> | null | undefined;
  const fresh =
    typeof value === 'object' &&
    typeof iterable?.[Symbol.iterator] === 'function' &&
    (iterable[Symbol.iterator]() as unknown) !== value;
  if (!fresh)
    throw new LockUsageError(option, value, 'a retry strategy: see `retry`, or an array of delays in ms');
}

function strategy(delays: () => Iterator<number>): RetryStrategy {
  return { [Symbol.iterator]: delays };
}

function checkCount(option: string, value: number): void {
  check(option, value, Number.isSafeInteger(value) && value >= 0, 'a whole number of at least 0');
}

function check(option: string, value: unknown, inRange: boolean, expected: string): void {
  if (!inRange || !Number.isFinite(value)) throw new LockUsageError(option, value, expected);
}
