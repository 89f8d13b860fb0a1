import { expect, test } from '@jest/globals';
import { LockBackendError } from '../../src/core/errors.js';
import { StoreError } from '../../src/engine/store.js';

test('the error of a store is a LockBackendError to those who see it, with its cause', () => {
  const cause = new Error('ECONNRESET');
  const error = new StoreError('Redis at a:1', 'unknown', cause);
  expect(error).toBeInstanceOf(LockBackendError);
  expect(error).toMatchObject({ name: 'LockBackendError', code: 'LOCK_BACKEND', outcome: 'unknown', cause });
  expect(String(error)).toBe('LockBackendError: lock: backend: Redis at a:1');
  expect('cause' in new StoreError('there is no connection', 'not-sent')).toBe(false);
});
