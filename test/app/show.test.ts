import { expect, test } from '@jest/globals';
import { show } from '../../src/app/show.js';

test.each([
  ['a\nb', '"a\\nb"'],
  ['x'.repeat(101), `"${'x'.repeat(100)}…"`],
  ['redis://me:secret@host', '"redis://…@host"'],
  [`redis://me:${'x'.repeat(200)}@host`, '"redis://…@host"'],
  ['postgres://host/db?user=me&password=secret&ssl=1', '"postgres://host/db?user=me&password=…&ssl=1"'],
  [() => {}, 'a function'],
  [new Date(), 'a date'],
  [[1], 'an array'],
  [{ a: 1 }, 'a table'],
  [Object.create(null), 'a table'],
  [null, 'null'],
  [1n, '1'],
  [Symbol('s'), 'Symbol(s)'],
])('any value can be shown on one short line', (value, shown) => {
  expect(show(value)).toBe(shown);
});

test('a value of any length takes no time', () => {
  const since = performance.now();
  expect(show('://'.repeat(100_000)).length).toBeLessThan(110);
  // With the square of the length it is 15 s.
  expect(performance.now() - since).toBeLessThan(2_000);
});
