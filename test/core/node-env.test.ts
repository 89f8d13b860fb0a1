import { afterEach, expect, test } from '@jest/globals';
import { inProduction, inTests } from '../../src/core/node-env.js';

const before = process.env.NODE_ENV;
afterEach(() => {
  process.env.NODE_ENV = before;
});

test.each([
  ['production', true, false],
  ['test', false, true],
  ['development', false, false],
  ['', false, false],
])('NODE_ENV=%s', (value, production, tests) => {
  process.env.NODE_ENV = value;
  expect([inProduction(), inTests()]).toEqual([production, tests]);
});
