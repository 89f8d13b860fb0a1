import { expect, test } from '@jest/globals';
import { GuardedHolds, holdsOf } from '../../../src/drivers/postgres/guarded-holds.js';
import type { Grant } from '../../../src/lease/driver.js';

const grant = (key: string, token: string, fence: number): Grant => ({ key, token, fence }) as Grant;

test('the holds of a token are found, of all keys and drivers, until they are released', () => {
  const [one, two] = [new GuardedHolds('one'), new GuardedHolds('two')];
  const [a, b] = [grant('a', 't', 5), grant('b', 't', 7)];
  expect(one.add(null)).toBe(null);
  expect(one.add(a)).toBe(a);
  two.add(b);
  one.add(grant('a', 'other', 9));
  expect(holdsOf('t')).toEqual([
    { schema: 'one', key: 'a', fence: 5, guarded: false },
    { schema: 'two', key: 'b', fence: 7, guarded: false },
  ]);
  expect(one.remove(a)).toBe(a);
  expect(holdsOf('t')).toMatchObject([{ key: 'b' }]);
  expect(two.remove(b)).toBe(b);
  expect(holdsOf('t')).toEqual([]);
  expect(holdsOf('other')).toHaveLength(1);
});

test('a key that is granted again has one hold, that of the new fence', () => {
  const holds = new GuardedHolds('one');
  holds.add(grant('a', 'again', 5));
  holds.add(grant('a', 'again', 6));
  expect(holdsOf('again')).toMatchObject([{ fence: 6 }]);
});

test('a release of what is not known changes nothing', () => {
  const holds = new GuardedHolds('one');
  const known = grant('a', 'kept', 5);
  holds.add(known);
  const unknown = grant('b', 'kept', 6);
  expect(holds.remove(unknown)).toBe(unknown);
  expect(holdsOf('kept')).toHaveLength(1);
});

test('a hold that was guarded is released as used under all its fences, or further', () => {
  const holds = new GuardedHolds('one');
  for (const [fence, released] of [
    [100, 163],
    [170, 170],
  ] as const) {
    holds.add(grant('a', 'g', 100));
    holdsOf('g')[0]!.guarded = true;
    expect(holds.remove(grant('a', 'g', fence))).toMatchObject({ key: 'a', token: 'g', fence: released });
    expect(holdsOf('g')).toEqual([]);
  }
});

test('many keys of one token take no more time each than few', () => {
  const keys = Array.from({ length: 30_000 }, (_, i) => grant(`k${i}`, 'many', i + 1));
  const holds = new GuardedHolds('one');
  const began = performance.now();
  for (const each of keys) holds.add(each);
  for (const each of keys.toReversed()) holds.remove(each);
  // Some 50 ms; 10 s where each looks at all.
  expect(performance.now() - began).toBeLessThan(3_000);
  expect(holdsOf('many')).toEqual([]);
});
