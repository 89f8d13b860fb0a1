import { expect, test } from '@jest/globals';
import { nearest } from '../../src/core/nearest.js';

const NAMES = ['ttl', 'wait', 'mode', 'limit', 'autoRenew', 'retryInterval', 'renewIn'];

test.each([
  ['ttl', 'ttl'],
  ['tl', 'ttl'],
  ['wiat', 'wait'],
  ['WAIT', 'wait'],
  ['limits', 'limit'],
  ['autoRenewal', 'autoRenew'],
  ['retry_interval', 'retryInterval'],
  ['renewin', 'renewIn'],
  ['timeout', undefined],
  ['concurrency', undefined],
  // Two swaps and two more are four slips.
  ['awtixx', undefined],
])('%s is near %s', (name, near) => {
  expect(nearest(name, NAMES)).toBe(near);
});

test('of names that are as near, the first', () => {
  expect(nearest('b', ['aa', 'ab', 'cb'])).toBe('ab');
  expect(nearest('x', [])).toBeUndefined();
});

test('as many slips as are allowed, and no more', () => {
  expect(nearest('ab', ['abcd'])).toBe('abcd');
  expect(nearest('a', ['abcd'])).toBeUndefined();
  expect(nearest('abc', ['abcd'], 1)).toBe('abcd');
  expect(nearest('ab', ['abcd'], 1)).toBeUndefined();
});

test.each(['bacd', 'acbd', 'abdc'])(
  'two neighbours that are swapped are one slip, wherever they stand: %s',
  (name) => {
    expect(nearest(name, ['abcd'], 1)).toBe('abcd');
  },
);
