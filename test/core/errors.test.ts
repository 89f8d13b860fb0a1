import { inspect } from 'node:util';
import { expect, test } from '@jest/globals';
import * as errors from '../../src/core/errors.js';

const ALL = [
  new errors.LockNotObtainedError('k', 'after the last retry'),
  new errors.LockTimeoutError('k', 500),
  new errors.LockNotHeldError('k'),
  new errors.LockLostError('k', 'stolen'),
  new errors.LockDeadlockError('k', '    at here'),
  new errors.LockBackendError('no answer', { key: 'k' }),
  new errors.LockConfigError('bad', { key: 'k' }),
  new errors.LockUsageError('ttl', 0, 'more', { key: 'k' }),
  new errors.LockClosedError('k'),
];

test('every class has one code of its own, a name, the key, and is a LockError', () => {
  expect(Object.fromEntries(ALL.map((error) => [error.name, error.code]))).toEqual(errors.LOCK_ERROR_CODES);
  expect(new Set(ALL.map(({ code }) => code)).size).toBe(ALL.length);
  for (const error of ALL) {
    expect(error).toBeInstanceOf(errors.LockError);
    expect(error).toBeInstanceOf(Error);
    expect(error.key).toBe('k');
    expect(error.name).toBe(error.constructor.name);
    expect(error.message).toMatch(/^lock: /);
  }
});

test('a time-out is a lock not obtained, and says the key and the wait', () => {
  const error = new errors.LockTimeoutError('order:1', 500);
  expect(error).toBeInstanceOf(errors.LockNotObtainedError);
  expect(error.message).toBe('lock: not obtained: "order:1" within 500 ms');
  expect(new errors.LockTimeoutError(['a', 'b'], 0).message).toBe(
    'lock: not obtained: "a", "b" is held, and wait is 0',
  );
});

test('what is not known of an error is not shown', () => {
  for (const error of [new errors.LockClosedError(), new errors.LockBackendError('no answer')])
    expect([error.key, 'cause' in error]).toEqual([undefined, false]);
  expect(new errors.LockClosedError().message).toBe('lock: closed');
  expect(new errors.LockClosedError('k').message).toBe('lock: closed: "k"');
  expect(new errors.LockNotHeldError('k').message).toBe('lock: not held: "k"');
  expect(new errors.LockNotHeldError('k', 'it was released').message).toBe(
    'lock: not held: "k": it was released',
  );
});

test('of many keys the first five are shown', () => {
  const keys = Array.from({ length: 1_000 }, (_, k) => `k${k}`);
  expect(new errors.LockTimeoutError(keys.slice(0, 5), 0).message).toContain(
    '"k0", "k1", "k2", "k3", "k4" is held',
  );
  const { message, key } = new errors.LockTimeoutError(keys, 500);
  expect(message).toBe('lock: not obtained: "k0", "k1", "k2", "k3", "k4" and 995 more within 500 ms');
  expect(key).toBe(keys);
});

test('a loss says why and carries its cause', () => {
  const cause = new Error('ECONNRESET');
  const reasons = ['expired', 'stolen', 'backend', 'maxHold', 'closed'] as const;
  const messages = reasons.map((reason) => new errors.LockLostError('k', reason, cause));
  expect(new Set(messages.map(({ message }) => message)).size).toBe(5);
  for (const error of messages) expect(error.cause).toBe(cause);
  expect('cause' in new errors.LockLostError('k', 'expired')).toBe(false);
});

test('what is wrong with a value is seen where it is shown', () => {
  const shown = [[], [1], {}, null, undefined, () => 1, 'a"b', 1].map(errors.show);
  const texts = [
    'an empty array',
    'an array',
    'an object',
    'null',
    'undefined',
    'a function',
    '"a\\"b"',
    '1',
  ];
  expect(shown).toEqual(texts);
  expect(errors.show('k'.repeat(201))).toBe(`"${'k'.repeat(200)}…"`);
  expect(errors.show('k'.repeat(200))).toBe(`"${'k'.repeat(200)}"`);
});

test('any key and any value can be shown', () => {
  const values = [
    1,
    1n,
    Symbol('s'),
    null,
    undefined,
    () => 1,
    {},
    Object.create(null),
    [],
    [1],
    'a"b',
    Number.NaN,
  ];
  for (const value of values) {
    expect(errors.show(value)).toEqual(expect.any(String));
    expect(new errors.LockNotHeldError(value).message).toMatch(/^lock: not held: /);
  }
  expect(errors.show('x'.repeat(10_000)).length).toBeLessThan(300);
});

test.each([
  ['redis://me:hunter2@host', '"redis://…@host"'],
  [`redis://me:hunter2${'x'.repeat(300)}@host`, '"redis://…@host"'],
  ['redis://me:hunter2@host/a@b', '"redis://…@b"'],
  ['postgres://host/db?password=hunter2&user=me', '"postgres://host/db?password=…&user=me"'],
  ['redis://host?db=1&sentinelPassword=hunter2', '"redis://host?db=1&sentinelPassword=…"'],
  [new URL('redis://me:hunter2@host'), 'an object'],
  [['redis://me:hunter2@host'], 'an array'],
  [{ url: 'redis://me:hunter2@host' }, 'an object'],
])(
  'an address that is a wrong value is shown without its password, and is still the value: %#',
  (value, shown) => {
    const error = new errors.LockUsageError('redis', value, 'another');
    expect(error.message).toBe(`lock: usage: expected \`redis\` to be another, got ${shown}`);
    expect(error.value).toBe(value);
    expect(`${inspect(error, { depth: 5 })} ${JSON.stringify(error)} ${error.stack}`).not.toContain(
      'hunter2',
    );
  },
);

test('a wrong value of any length takes no time: a key may come from anybody', () => {
  for (const part of ['://', '@', '?', '?password', 'password=', '&']) {
    const since = performance.now();
    expect(new errors.LockUsageError('key', part.repeat(200_000), 'short').message.length).toBeLessThan(300);
    // With the square of the length it is a minute.
    expect(performance.now() - since).toBeLessThan(5_000);
  }
});
