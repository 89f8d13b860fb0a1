import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { checkKeys, checkPrefix, keyOfName, lockName, MAX_KEY_BYTES, nameStart } from '../../src/core/key.js';
import { usageOf } from '../support/usage.js';

test('a name is the prefix and the key in braces', () => {
  expect(lockName('lock:', 'order:1')).toBe('lock:{order:1}');
  expect(lockName('', 'a')).toBe('{a}');
  expect(lockName('lock:', '{a}%')).toBe('lock:{%7Ba%7D%25}');
});

test('two different locks never have one name, whatever their prefixes and keys', () => {
  const prefix = fc.string().filter((text) => !/[{}]/.test(text));
  const key = fc.oneof(fc.string(), fc.stringMatching(/^[%{}7BD25a]{0,8}$/));
  fc.assert(
    fc.property(prefix, key, prefix, key, (prefix1, key1, prefix2, key2) => {
      const same = prefix1 === prefix2 && key1 === key2;
      expect(lockName(prefix1, key1) === lockName(prefix2, key2)).toBe(same);
    }),
  );
});

test('the key is got back from its name, whatever is in it', () => {
  const prefix = fc.string().filter((text) => !/[{}]/.test(text));
  const key = fc.oneof(fc.string(), fc.stringMatching(/^[%{}7BD25a]{0,8}$/));
  fc.assert(fc.property(prefix, key, (p, k) => expect(keyOfName(p, lockName(p, k))).toBe(k)));
});

test('a name begins as the names of all keys do that begin like its key, and as no other', () => {
  const key = fc.stringMatching(/^[%{}7BD25a]{0,6}$/);
  fc.assert(
    fc.property(key, key, (start, k) => {
      expect(lockName('p:', k).startsWith(nameStart('p:', start))).toBe(k.startsWith(start));
    }),
  );
  expect(nameStart('p:', '')).toBe('p:{');
});

test('a name has one hash tag, the key’s', () => {
  fc.assert(
    fc.property(fc.string(), (key) => {
      expect(lockName('lock:', key)).toMatch(/^lock:\{[^{}]*\}$/);
    }),
  );
});

test('keys are sorted, each once', () => {
  expect(checkKeys('a')).toEqual(['a']);
  expect(checkKeys(['b', 'a', 'b', 'A'])).toEqual(['A', 'a', 'b']);
});

test.each([
  [''],
  [[]],
  [['a', '']],
  [undefined],
  [null],
  [5],
  [{}],
  [['a', 5]],
  [[['a']]],
  ['\ud800'],
  ['x'.repeat(MAX_KEY_BYTES + 1)],
  ['é'.repeat(MAX_KEY_BYTES / 2 + 1)],
])('%p is no key', (key) => {
  expect(usageOf(() => checkKeys(key)).option).toBe('key');
});

test('the longest key is counted in bytes', () => {
  expect(checkKeys('é'.repeat(MAX_KEY_BYTES / 2))).toHaveLength(1);
  expect(checkKeys('x'.repeat(MAX_KEY_BYTES))).toHaveLength(1);
});

test.each([['{'], ['a}'], [5], [null], ['\udfff'], ['x'.repeat(MAX_KEY_BYTES + 1)]])(
  '%p is no prefix',
  (prefix) => {
    expect(usageOf(() => checkPrefix(prefix)).option).toBe('prefix');
  },
);

test('a prefix may be empty', () => {
  expect(checkPrefix('')).toBe('');
});
