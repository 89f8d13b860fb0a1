import { expect, describe as group, test } from '@jest/globals';
import { chanceOfSoFew } from './chance.js';
import { luaMutants } from './lua.js';
import { describe, type Mutant, mutated } from './mutant.js';
import { sqlMutants } from './sql.js';
import { typescriptMutants } from './typescript.js';

const all = (text: string, mutants: readonly Mutant[]) => mutants.map((mutant) => mutated(text, mutant));

group('of Lua', () => {
  const of = (text: string) => all(text, luaMutants('x.lua', text));

  test('a condition becomes each other one, true and false', () => {
    const bugs = ['if a >= b then', 'if a <= b then', 'if true then', 'if false then'];
    expect(of('if a > b then').sort()).toEqual(bugs.sort());
  });

  test('constants and strings become others, but no name of a command does', () => {
    expect(of("local x = 3 .. 'a'")).toEqual(["local x = 4 .. 'a'", "local x = 3 .. ''"]);
    expect(of("local x = redis.call('GET', '')")).toEqual(["local x = redis.call('GET', '?')"]);
  });

  test('a statement on a line of its own is left out, and arguments change places', () => {
    expect(of('  give(a, b)')).toEqual(['  give(b, a)', '  ']);
  });

  test('comments, the minus of a negative number, and loops without end are left alone', () => {
    expect(of('-- a == 1')).toEqual([]);
    expect(of('while x do')).toEqual(['while false do']);
    expect(of('local x = {-a}')).toEqual([]);
  });
});

group('of SQL', () => {
  const of = (text: string) => all(text, sqlMutants('x.sql', text));

  test('operators, orders and row locks change', () => {
    expect(of('SELECT FROM t WHERE a <= b ORDER BY c FOR UPDATE')).toEqual([
      'SELECT FROM t WHERE a < b ORDER BY c FOR UPDATE',
      'SELECT FROM t WHERE a > b ORDER BY c FOR UPDATE',
      'SELECT FROM t WHERE a <= b ORDER BY c ',
      'SELECT FROM t WHERE a <= b ORDER BY c DESC FOR UPDATE',
    ]);
  });

  test('a statement of a body is left out, what is declared stays', () => {
    expect(of('DECLARE\n  a int := b;\nBEGIN\n  a := b;\nEND')).toEqual([
      'DECLARE\n  a int := b;\nBEGIN\n  NULL;\nEND',
    ]);
  });

  test('how a table is stored is left alone', () => {
    expect(of('CREATE TABLE t (a int) WITH (fillfactor = 50)')).toEqual([]);
  });
});

test('of TypeScript: as StrykerJS changes it, without texts for people', async () => {
  const text = "export const f = (a: number) => { if (a > 1) throw new Error('too large'); return 'a'; };";
  const mutants = await typescriptMutants('x.ts', text);
  const bugs = mutants.map((mutant) => describe(mutant));
  expect(bugs).toContain('x.ts:1:39  a > 1  =>  a >= 1');
  expect(bugs).toContain(`x.ts:1:83  'a'  =>  ""`);
  expect(bugs.join()).not.toContain("'too large'  =>");
  expect(all(text, mutants)).toContain(text.replace('a > 1', 'false'));
});

group('of a sample', () => {
  test('so few are noticed by chance as the binomial distribution says', () => {
    expect(chanceOfSoFew(0, 2, 0.5)).toBeCloseTo(0.25, 10);
    expect(chanceOfSoFew(1, 2, 0.5)).toBeCloseTo(0.75, 10);
    expect(chanceOfSoFew(50, 50, 0.85)).toBeCloseTo(1, 10);
    expect(chanceOfSoFew(0, 0, 0.85)).toBe(1);
  });

  test('of 50 a sample of 85 % has fewer than 34 in less than one of 1,000, and 34 in more', () => {
    expect(chanceOfSoFew(33, 50, 0.85)).toBeLessThan(0.001);
    expect(chanceOfSoFew(34, 50, 0.85)).toBeGreaterThan(0.001);
  });
});
