import { expect, test } from '@jest/globals';
import { withoutLogin } from '../../src/text/without-login.js';

test.each([
  ['redis://me:hunter2@host', 'redis://…@host'],
  ['redis://me:hunter2@host/a@b', 'redis://…@b'],
  ['got redis://me:hunter2@host', 'got redis://…@host'],
  ['postgres://host/db?password=hunter2&user=me', 'postgres://host/db?password=…&user=me'],
  ['redis://host?db=1&sentinelPassword=hunter2', 'redis://host?db=1&sentinelPassword=…'],
])('the login and the passwords of %s are left out', (text, shown) => {
  expect(withoutLogin(text)).toBe(shown);
});

test.each(['redis://host', 'a@b://c', '@', '://', 'me@host'])(
  'a text without a login stays as it is: %s',
  (text) => {
    expect(withoutLogin(text)).toBe(text);
  },
);
