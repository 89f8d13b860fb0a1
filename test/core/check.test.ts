import { runInNewContext } from 'node:vm';
import { expect, test } from '@jest/globals';
import { checkFn, checkLimit, checkNames, checkObject, checkOwn, checkText } from '../../src/core/check.js';
import { usageOf } from '../support/usage.js';

test.each([
  [checkText, ['a', ' '], ['', 5, null, undefined, ['a']], 'text that is not empty'],
  [
    checkLimit,
    [1, 2, 1_000, Infinity],
    [0, -1, 1.5, -Infinity, Number.NaN, '1', undefined, null],
    'a whole number of at least 1, or Infinity',
  ],
  [checkObject, [{}, []], [null, undefined, 5, 'a', () => {}], 'an object'],
])('%p takes what is right, and tells what is expected else', (check, right, wrong, expected) => {
  for (const value of right) expect(() => check('option', value)).not.toThrow();
  for (const value of wrong) {
    const error = usageOf(() => check('option', value));
    expect(error).toMatchObject({ option: 'option', value });
    expect(error.message).toContain(`expected \`option\` to be ${expected}, got `);
  }
});

test('what is checked is given back', () => {
  expect([checkText('name', 'a'), checkLimit('limit', 3)]).toEqual(['a', 3]);
});

test('a function is asked for by the name fn', () => {
  checkFn(() => {});
  for (const value of [undefined, 'a', {}]) expect(usageOf(() => checkFn(value)).option).toBe('fn');
});

test('options are an object whose names are known, whatever their values', () => {
  checkNames({}, []);
  checkNames({ wait: undefined, ttl: 5 }, ['wait', 'ttl']);
  expect(usageOf(() => checkNames(5 as never, ['wait'])).option).toBe('options');
  expect(usageOf(() => checkNames({ zzz: undefined }, ['wait', 'ttl'])).message).toBe(
    'lock: usage: expected `zzz` to be an option that is known (there are: wait, ttl), got undefined',
  );
});

test.each([
  [5, 'got 5'],
  [null, 'got null'],
  [{ url: 'redis://:hunter2@host' }, 'got "an object"'],
  ['redis://:hunter2@host', 'got "text"'],
])('an option that is not known is refused without what may be an address: %j', (value, got) => {
  const check = () => checkNames({ wait: 1, wiat: value }, ['wait', 'ttl']);
  expect(check).toThrow(got);
  expect(check).toThrow('`wiat` to be an option that is known (did you mean `wait`?)');
  expect(check).not.toThrow('hunter2');
});

class Base {
  readonly wait = 5;
  get ttl(): string | undefined {
    return '5s';
  }
  get summary(): string {
    return 'ttl 5s';
  }
  method(): void {}
}

class Derived extends Base {}

test('what a class has is not read, so it is refused; what the object itself has is taken', () => {
  for (const options of [new Base(), new Derived(), Object.create({ ttl: 5 })]) {
    expect(usageOf(() => checkNames(options, ['wait', 'ttl'])).option).toBe('ttl');
    expect(usageOf(() => checkOwn(options)).option).toBe('ttl');
    expect(() => checkNames(options, ['wait', 'limit'])).not.toThrow();
  }
  const own = {
    get ttl() {
      return 5;
    },
  };
  const overridden = Object.defineProperty(new Base(), 'ttl', { value: 5, enumerable: true });
  expect(() => checkNames(overridden, ['wait', 'ttl'])).not.toThrow();
  for (const options of [own, Object.create(null), Object.create({ ttl: undefined, method() {} })])
    expect(() => checkOwn(options)).not.toThrow();
  expect(usageOf(() => checkOwn(new URL('redis://host')))).toMatchObject({ code: 'LOCK_USAGE' });
});

test('an object of another realm has no getters of its own', () => {
  expect(() => checkOwn(runInNewContext('({ ttl: 5 })'))).not.toThrow();
});
