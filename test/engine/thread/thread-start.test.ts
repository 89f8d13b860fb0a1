import { expect, test } from '@jest/globals';
import { threadStart } from '../../../src/engine/thread/thread-start.js';

const start = () => {
  throw new Error('not called');
};

test('a thread can be started with options that can be copied', () => {
  const store = { url: 'x://h', tls: { ca: 'pem' }, port: 7, password: undefined };
  expect(threadStart('X', store, start)).toEqual({ store, start });
});

test('options that cannot be sent to a thread make it impossible, and the reason names the first', () => {
  const store = { url: 'x://h', tls: { check: () => undefined }, password: () => 'secret' };
  expect(threadStart('X', store, start)).toEqual({
    impossible: 'the X option `tls` holds what cannot be sent to a thread, a function perhaps',
  });
});
