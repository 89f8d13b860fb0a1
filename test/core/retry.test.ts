import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { systemClock } from '../../src/core/clock.js';
import { attempts, checkRetry, type RetryStrategy, retry } from '../../src/core/retry.js';
import { FakeClock } from '../../src/testing/fake-clock.js';
import { usageOf } from '../support/usage.js';

function first(count: number, strategy: RetryStrategy): number[] {
  const delays: number[] = [];
  for (const delay of strategy) {
    if (delays.length === count) break;
    delays.push(delay);
  }
  return delays;
}

describe('strategies', () => {
  test('none is one try', () => {
    expect([...retry.none()]).toEqual([0]);
  });

  test('linear tries at once, then each delay', () => {
    expect(first(4, retry.linear('1s'))).toEqual([0, 1_000, 1_000, 1_000]);
  });

  test('exponential(10, 300) waits 10, 10, 16, 32, 64, 128, 256, 300, 300', () => {
    expect(first(10, retry.exponential(10, 300))).toEqual([0, 10, 10, 16, 32, 64, 128, 256, 300, 300]);
    expect(first(4, retry.exponential(0, 0))).toEqual([0, 0, 0, 0]);
    expect(first(5_000, retry.exponential(0, '1d')).at(-1)).toBe(86_400_000);
  });

  test('limit 2 of 1 s is 1 s, 1 s and stop, each time it is used', () => {
    const strategy = retry.limit(retry.linear('1s'), 2);
    for (let use = 0; use < 3; use++) expect([...strategy]).toEqual([0, 1_000, 1_000]);
    expect([...retry.limit(retry.linear(1), 0)]).toEqual([0]);
    expect([...retry.limit([0, 5], 9)]).toEqual([0, 5]);
  });

  test('two who use one strategy at the same time do not disturb each other', () => {
    const strategy = retry.exponential(1, 100);
    const [a, b] = [strategy[Symbol.iterator](), strategy[Symbol.iterator]()];
    const taken = Array.from({ length: 5 }, () => [a.next().value, b.next().value]);
    for (const [one, other] of taken) expect(one).toBe(other);
  });
});

describe('backoff, the knobs of mapmutex', () => {
  test('by default 200 tries, about 4 s in all, none longer than 100 ms and its jitter', () => {
    const delays = [...retry.backoff()];
    expect(delays.length).toBe(200);
    expect(delays[0]).toBe(0);
    const total = delays.reduce((sum, delay) => sum + delay, 0);
    expect(total).toBeGreaterThan(3_000);
    expect(total).toBeLessThan(5_000);
    expect(Math.max(...delays)).toBeLessThanOrEqual(120);
    expect([...retry.backoff({ jitter: 0 })].reduce((sum, delay) => sum + delay, 0)).toBeCloseTo(4_000, -3);
  });

  test('maxRetry 0 never tries', () => {
    expect([...retry.backoff({ maxRetry: 0 })]).toEqual([]);
  });

  test('baseDelay, factor and maxDelay give the delays', () => {
    const delays = [...retry.backoff({ maxRetry: 6, baseDelay: 10, factor: 2, maxDelay: '50ms', jitter: 0 })];
    expect(delays).toEqual([0, 10, 20, 40, 50, 50]);
  });

  test('the least and the greatest of each option are allowed', () => {
    expect([...retry.backoff({ maxRetry: 2, factor: 1, jitter: 0, baseDelay: 7 })]).toEqual([0, 7]);
    const most = { maxRetry: 3, factor: Number.MAX_VALUE, jitter: 1 };
    for (const delay of retry.backoff(most)) expect(delay).toBeLessThanOrEqual(200);
    expect([...retry.limit([0, 1], Number.MAX_SAFE_INTEGER)]).toEqual([0, 1]);
  });

  test('jitter spreads a delay to both sides, and no further', () => {
    const delays = [...retry.backoff({ maxRetry: 1_000, baseDelay: 100, factor: 1, jitter: 0.5 })].slice(1);
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(50);
    expect(Math.max(...delays)).toBeLessThanOrEqual(150);
    expect(Math.min(...delays)).toBeLessThan(80);
    expect(Math.max(...delays)).toBeGreaterThan(120);
  });

  test('every valid setting gives as many delays as tries, all of them durations', () => {
    const options = fc.record({
      maxRetry: fc.nat(3_000),
      baseDelay: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1e9, noNaN: true })),
      maxDelay: fc.double({ min: 0, max: 1e9, noNaN: true }),
      factor: fc.oneof(fc.double({ min: 1, max: 10, noNaN: true }), fc.constant(1e308)),
      jitter: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    fc.assert(
      fc.property(options, (knobs) => {
        const delays = [...retry.backoff(knobs)];
        expect(delays.length).toBe(knobs.maxRetry);
        expect(delays.every((delay) => delay >= 0 && delay <= knobs.maxDelay * 2)).toBe(true);
      }),
      { numRuns: 50 },
    );
  });
});

describe('attempts', () => {
  const bounds = { deadline: Infinity, clock: systemClock, signal: undefined };

  /** When each of the first `count` attempts was due; fewer if they end. */
  async function due(count: number, strategy: RetryStrategy, deadline = Infinity): Promise<number[]> {
    const clock = new FakeClock();
    const times: number[] = [];
    const all = (async () => {
      for await (const _ of attempts(strategy, { ...bounds, deadline, clock })) {
        times.push(clock.now());
        if (times.length === count) return;
      }
    })();
    await clock.advance(10_000);
    await all;
    return times;
  }

  test('come when the strategy says', async () => {
    expect(await due(5, [0, 10, 20, 50])).toEqual([0, 10, 30, 80]);
    expect(await due(3, [5, 5, 5])).toEqual([5, 10, 15]);
    expect(await due(3, retry.linear(100))).toEqual([0, 100, 200]);
    expect(await due(3, [])).toEqual([]);
  });

  test('end at the deadline; the first needs no time', async () => {
    expect(await due(9, retry.linear(100), 250)).toEqual([0, 100, 200]);
    expect(await due(9, retry.linear(100), 200)).toEqual([0, 100]);
    expect(await due(9, [0, 0, 0], 0)).toEqual([0]);
    expect(await due(9, [300], 250)).toEqual([]);
  });

  test('whose next delay is longer than what is left end at the deadline, not later', async () => {
    const clock = new FakeClock();
    let ended = false;
    void (async () => {
      for await (const _ of attempts([0, 100, 1_000], { ...bounds, deadline: 250, clock }));
      ended = true;
    })();
    await clock.advance(249);
    expect(ended).toBe(false);
    await clock.advance(1);
    expect(ended).toBe(true);
  });

  test('do not come early where less is left than a timer can wait', async () => {
    const clock = new FakeClock();
    const times: number[] = [];
    for await (const _ of attempts([0, 300], { ...bounds, deadline: 0.5, clock })) times.push(clock.now());
    expect(times).toEqual([0]);
  });

  const hasty: [string, RetryStrategy][] = [
    ['linear(0)', retry.linear(0)],
    ['exponential(0, 0)', retry.exponential(0, 0)],
    ['backoff of no delay', retry.backoff({ baseDelay: 0, maxRetry: 1e9 })],
    ['backoff of ten ns', retry.backoff({ factor: 1, maxRetry: 1e9 })],
    ['an array of zeros', Array(1_000_000).fill(0)],
  ];

  test.each(hasty)('of %s let the event loop turn before each but the first', async (_, strategy) => {
    let turns = 0;
    let running = true;
    const turn = () => {
      turns++;
      if (running) setImmediate(turn);
    };
    setImmediate(turn);
    const seen: number[] = [];
    for await (const _ of attempts(strategy, bounds)) {
      seen.push(turns);
      if (seen.length === 20) break;
    }
    running = false;
    expect(seen[0]).toBe(0);
    for (let n = 1; n < 20; n++) expect(seen[n]! - seen[n - 1]!).toBeGreaterThan(0);
  });

  test.each(hasty)('of %s end at the deadline, and with the signal', async (_, strategy) => {
    const started = performance.now();
    for await (const _ of attempts(strategy, { ...bounds, deadline: started + 50 })) {
      if (performance.now() > started + 5_000) throw new Error('the deadline was not looked at');
    }
    expect(performance.now() - started).toBeGreaterThan(49);
    const stop = new AbortController();
    setTimeout(() => stop.abort('enough'), 20);
    const ended = (async () => {
      for await (const _ of attempts(strategy, { ...bounds, signal: stop.signal })) {
        if (performance.now() > started + 10_000) throw new Error('the signal was not looked at');
      }
    })();
    await expect(ended).rejects.toBe('enough');
  });

  test('of an aborted signal are none', async () => {
    const signal = AbortSignal.abort('before');
    await expect(attempts([0], { ...bounds, signal }).next()).rejects.toBe('before');
  });

  test('refuse a delay that is none', async () => {
    const ended = (async () => {
      for await (const _ of attempts([0, 'x' as never], bounds));
    })();
    await expect(ended).rejects.toMatchObject({ option: 'retry', value: 'x' });
  });
});

describe('wrong arguments', () => {
  test.each([
    ['delay', () => retry.linear('x' as never)],
    ['delay', () => retry.linear(-1)],
    ['min', () => retry.exponential(Number.NaN, 1)],
    ['max', () => retry.exponential(1, '1' as never)],
    ['max', () => retry.exponential(10, 5)],
    ['retries', () => retry.limit([0], -1)],
    ['retries', () => retry.limit([0], 1.5)],
    ['strategy', () => retry.limit(5 as never, 1)],
    ['maxRetry', () => retry.backoff({ maxRetry: -1 })],
    ['maxRetry', () => retry.backoff({ maxRetry: Infinity })],
    ['baseDelay', () => retry.backoff({ baseDelay: '1' as never })],
    ['maxDelay', () => retry.backoff({ maxDelay: -1 })],
    ['factor', () => retry.backoff({ factor: 0.5 })],
    ['factor', () => retry.backoff({ factor: Number.NaN })],
    ['factor', () => retry.backoff({ factor: Infinity })],
    ['factor', () => retry.backoff({ factor: '2' as never })],
    ['jitter', () => retry.backoff({ jitter: -0.1 })],
    ['jitter', () => retry.backoff({ jitter: 1.1 })],
    ['jitter', () => retry.backoff({ jitter: '1' as never })],
  ])('of %s are named', (option, call) => {
    expect(usageOf(call).option).toBe(option);
  });

  test.each([
    [() => retry.limit([0], -1), 'expected `retries` to be a whole number of at least 0, got -1'],
    [() => retry.backoff({ factor: 0 }), 'expected `factor` to be a finite number of at least 1, got 0'],
    [() => retry.backoff({ jitter: 2 }), 'expected `jitter` to be a number from 0 to 1, got 2'],
  ])('are told with what is expected: %#', (call, message) => {
    expect(call).toThrow(message);
  });

  test.each([[5], ['text'], [null], [() => [0]], [{}], [[1][Symbol.iterator]()]])(
    '%p is no strategy',
    (value) => {
      expect(usageOf(() => checkRetry('retry', value)).option).toBe('retry');
    },
  );

  test('a generator object, which can be used once, is no strategy', () => {
    const once = (function* () {
      yield 0;
    })();
    expect(() => checkRetry('retry', once)).toThrow('retry strategy');
    expect(() => checkRetry('retry', [0, 10])).not.toThrow();
  });
});
