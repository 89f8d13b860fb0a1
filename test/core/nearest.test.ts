import { expect, test } from '@jest/globals';
import fc from 'fast-check';
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

/** The fewest slips that make `b` of `a`, by trying each one at the first letter where they differ. */
function slips(a: string, b: string): number {
  if (a === '' || b === '') return a.length + b.length;
  if (a[0] === b[0]) return slips(a.slice(1), b.slice(1));
  const swap = a.length > 1 && a[0] === b[1] && a[1] === b[0];
  return (
    1 +
    Math.min(
      slips(a.slice(1), b),
      slips(a, b.slice(1)),
      slips(a.slice(1), b.slice(1)),
      swap ? slips(a.slice(2), b.slice(2)) : Infinity,
    )
  );
}

test('a name is near exactly if the slips that lead to it are as few as allowed', () => {
  const word = fc.stringMatching(/^[abc]{0,5}$/);
  fc.assert(
    fc.property(word, word, fc.nat(5), (name, known, most) => {
      expect(nearest(name, [known], most)).toBe(slips(name, known) <= most ? known : undefined);
    }),
    { numRuns: 2_000 },
  );
});

test('of long names a third of the letters may be wrong', () => {
  expect(nearest('xxxdefghi', ['abcdefghi'])).toBe('abcdefghi');
  expect(nearest('xxxxefghi', ['abcdefghi'])).toBeUndefined();
  expect(nearest('xxxdefgh', ['abcdefgh'])).toBeUndefined();
});
