import { expect, test } from '@jest/globals';
import { backOff } from '../../../src/drivers/redis/back-off.js';

test('attempts to connect are further apart after each that failed, up to a second, and at random', () => {
  const longest = [50, 100, 200, 400, 800, 1_000, 1_000];
  for (const [i, ms] of longest.entries()) {
    const waits = Array.from({ length: 500 }, () => backOff(i + 1));
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(ms / 2);
    expect(Math.min(...waits)).toBeLessThan(ms * 0.55);
    expect(Math.max(...waits)).toBeGreaterThan(ms * 0.95);
    expect(Math.max(...waits)).toBeLessThan(ms);
  }
  expect(backOff(5_000)).toBeGreaterThanOrEqual(500);
  expect(backOff(5_000)).toBeLessThan(1_000);
});
