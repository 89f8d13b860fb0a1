import { expect, test } from '@jest/globals';
import { BriefMap } from '../../src/core/brief-map.js';
import { leftInOldGeneration } from '../support/old-generation.js';

const full = <K>(...keys: K[]) => {
  const map = new BriefMap<K, string>();
  for (const key of keys) map.set(key, `of ${key}`);
  return map;
};

test('has what was set last under a key, and nothing under any other', () => {
  const map = full('a', 'b');
  map.set('a', 'another');
  expect(map.get('a')).toBe('another');
  expect(map.get('b')).toBe('of b');
  expect(map.get('c')).toBeUndefined();
  expect(map.size).toBe(2);
});

test('says whether there was something to delete, and has it no more', () => {
  const map = full('a', 'b');
  expect(map.delete('a')).toBe(true);
  expect(map.delete('a')).toBe(false);
  expect(map.get('a')).toBeUndefined();
  expect(map.get('b')).toBe('of b');
  expect(map.size).toBe(1);
});

test('keeps each value apart from those whose place it took', () => {
  const map = full('a', 'b', 'c');
  map.delete('a');
  map.delete('c');
  for (const key of ['d', 'e', 'f']) map.set(key, `of ${key}`);
  expect(['a', 'b', 'c', 'd', 'e', 'f'].map((key) => map.get(key))).toEqual([
    undefined,
    'of b',
    undefined,
    'of d',
    'of e',
    'of f',
  ]);
});

test('goes through its values in the order in which they came, also when some leave meanwhile', () => {
  const map = full('a', 'b', 'c', 'd');
  map.delete('a');
  map.set('a', 'came back');
  map.set('b', 'changed');
  const seen: string[] = [];
  for (const value of map.values()) {
    seen.push(value);
    map.delete('c');
  }
  expect(seen).toEqual(['changed', 'of d', 'came back']);
});

test('is as new when it was cleared', () => {
  const map = full('a', 'b');
  map.delete('a');
  map.clear();
  expect([map.size, map.get('b'), [...map.values()]]).toEqual([0, undefined, []]);
  map.set('b', 'new');
  expect([...map.values()]).toEqual(['new']);
});

test('leaves little for a full garbage collection of what stayed briefly, and a Map leaves most of it', () => {
  const left = (map: Map<number, object> | BriefMap<number, object>) =>
    leftInOldGeneration((added, value, removed) => {
      map.set(added, value);
      map.delete(removed);
    });
  // The Map comes last: V8 learns from it to make such values in the old generation.
  expect(left(new BriefMap())).toBeLessThan(8);
  expect(left(new Map())).toBeGreaterThan(12);
});
