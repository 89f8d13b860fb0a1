import { expect, test } from '@jest/globals';
import { planOf } from './scenarios.js';
import { simulate } from './simulation.js';

// Seeds in which a judge found something once: see "Found and fixed" in docs/proof.md.
test.each([
  ['the places of those that a hold served are left in the store after an outage', 'outages', 1_008_154],
  [
    'a process that stood still while it closed tells that leases were not taken back',
    'everything',
    1_086_623,
  ],
  ['a waiter that got a new place looks instead of the one that is first now', 'everything', 22_524],
  ['a silence that comes while a process is blocked is taken for none', 'everything', 1_035_199],
  ['a hold that is revoked before its grant is read is told as an outage', 'revocations', 1_059],
  ['a try of several keys of which one is revoked twice is told of an outage', 'outages', 2_026_683],
])('a seed that showed a bug shows it no more: %s', async (_, scenario, seed) => {
  const { violations } = await simulate(planOf(seed, scenario));
  expect(violations).toEqual([]);
});
