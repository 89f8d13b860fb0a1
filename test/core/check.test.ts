import { expect, test } from '@jest/globals';
import { checkNames } from '../../src/core/check.js';

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
