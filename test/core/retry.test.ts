import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { checkRetry, type RetryStrategy, retry } from '../../src/core/retry.js';
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
    ['jitter', () => retry.backoff({ jitter: 1.1 })],
    ['jitter', () => retry.backoff({ jitter: '1' as never })],
  ])('of %s are named', (option, call) => {
    expect(usageOf(call).option).toBe(option);
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
