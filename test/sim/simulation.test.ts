import { expect, test } from '@jest/globals';
import { planOf } from './scenarios.js';
import { simulate } from './simulation.js';

test('the same seed gives the same history, to the byte, and another seed another', async () => {
  const hashes = [];
  for (const seed of [16, 16, 32]) hashes.push((await simulate(planOf(seed))).history.hash());
  expect(hashes[0]).toBe(hashes[1]);
  expect(hashes[0]).not.toBe(hashes[2]);
});

test('no judge finds anything in a hundred seeds', async () => {
  let granted = 0;
  for (let seed = 1_000; seed < 1_100; seed++) {
    const outcome = await simulate(planOf(seed));
    expect({ seed, violations: outcome.violations }).toEqual({ seed, violations: [] });
    granted += outcome.granted;
  }
  expect(granted).toBeGreaterThan(500);
});
