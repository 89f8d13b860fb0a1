import { describe, expect, test } from '@jest/globals';
import {
  LockBackendError,
  LockNotHeldError,
  LockTimeoutError,
  LockUsageError,
} from '../../src/core/errors.js';
import { Bed, down, watch } from '../support/bed.js';

test('New locks nothing; a handle locks and unlocks again and again', async () => {
  const { locker, registry } = new Bed();
  const lock = locker.New('a', '10s');
  expect(await locker.inspect('a')).toBeNull();
  let last = 0;
  for (let round = 0; round < 3; round++) {
    await lock.lock();
    expect(lock.held).toBe(true);
    expect(lock.fence).toBeGreaterThan(last);
    last = lock.fence;
    expect(await lock.unlock()).toBe(true);
    expect(lock.held).toBe(false);
  }
  await registry.close();
});

test.each([5, null, 'read', true])('New refuses options that are no object: %p', (options) => {
  const { locker } = new Bed();
  expect(() => locker.New('k', '5s', options as never)).toThrow(
    expect.objectContaining({ code: 'LOCK_USAGE', option: 'options' }),
  );
});

test('two handles exclude each other; tryLock answers false, lock waits', async () => {
  const { locker, clock } = new Bed();
  const [a, b] = [locker.New('k', '10s'), locker.New('k', '10s')];
  expect(await a.tryLock()).toBe(true);
  expect(await b.tryLock()).toBe(false);
  const waiting = watch(b.lock());
  await clock.advance(100);
  expect(waiting.state).toBe('pending');
  await a.unlock();
  await clock.advance(0);
  expect(waiting.state).toBe('fulfilled');
  expect([a.held, b.held]).toEqual([false, true]);
});

test('a handle that is locked, or being locked, cannot be locked again', async () => {
  const { locker, clock } = new Bed();
  const lock = locker.New('a');
  await lock.lock();
  await expect(lock.lock()).rejects.toMatchObject({
    code: 'LOCK_USAGE',
    option: 'lock',
    value: 'a',
    key: 'a',
  });
  expect(await lock.tryLock()).toBe(false);
  const other = locker.New('a');
  const waiting = watch(other.lock());
  await expect(other.lock()).rejects.toBeInstanceOf(LockUsageError);
  await lock.unlock();
  await clock.advance(0);
  expect(waiting.state).toBe('fulfilled');
});

test('a hold that expired can be followed by another of the same handle', async () => {
  const { locker, clock } = new Bed();
  const lock = locker.New('a', '1s');
  await lock.lock();
  await clock.advance(1_000);
  expect(lock.held).toBe(false);
  expect(await lock.tryLock()).toBe(true);
  expect(lock.ttl()).toBe(1_000);
});

test('unlock of what is not locked, or no longer ours, is false', async () => {
  const { locker, clock } = new Bed();
  const lock = locker.New('a', '1s');
  expect(await lock.unlock()).toBe(false);
  await lock.lock();
  await clock.advance(1_000);
  expect(await lock.unlock()).toBe(false);
});

test('the current hold can be asked, set longer, and watched for loss', async () => {
  const { locker, clock } = new Bed();
  const lock = locker.New('a', '5s');
  expect(() => lock.fence).toThrow(LockNotHeldError);
  expect(() => lock.signal).toThrow(LockNotHeldError);
  expect([lock.ttl(), await lock.refresh(), await lock.extend('1s')]).toEqual([0, false, false]);
  await lock.lock();
  expect(await lock.refresh('2s')).toBe(true);
  expect(lock.ttl()).toBe(2_000);
  expect(await lock.extend('1s')).toBe(true);
  expect(lock.ttl()).toBe(3_000);
  expect(await lock.refresh()).toBe(true);
  expect(lock.ttl()).toBe(5_000);
  const { signal } = lock;
  await clock.advance(5_000);
  expect(signal.reason).toMatchObject({ code: 'LOCK_LOST', reason: 'expired' });
});

test('a handle that is disposed of while it waits gives back what it gets, and says so', async () => {
  const { locker, clock } = new Bed();
  const [a, b] = [locker.New('k', '10s'), locker.New('k', '10s', { autoRenew: true })];
  await a.lock();
  const waiting = watch(b.lock());
  await b[Symbol.asyncDispose]();
  await a.unlock();
  await clock.advance(0);
  expect(waiting.error).toBeInstanceOf(LockUsageError);
  expect(b.held).toBe(false);
  expect(await locker.inspect('k')).toBeNull();
  await b.lock();
  expect(await b.unlock()).toBe(true);
});

test('await using unlocks', async () => {
  const { locker } = new Bed();
  {
    await using lock = locker.New('a');
    await lock.lock();
    expect(await locker.inspect('a')).not.toBeNull();
  }
  expect(await locker.inspect('a')).toBeNull();
});

describe('options', () => {
  test('of New hold for every lock; those of lock() go before them, and undefined is unset', async () => {
    const { locker, clock } = new Bed();
    await locker.acquire('a', { ttl: '1h' });
    const lock = locker.New('a', undefined, { wait: 100, meta: { job: '7' } });
    const asked = watch(lock.lock());
    await clock.advance(100);
    expect(asked.error).toBeInstanceOf(LockTimeoutError);
    const unset = watch(lock.lock({ wait: undefined }));
    await clock.advance(100);
    expect(unset.error).toBeInstanceOf(LockTimeoutError);
    await expect(lock.lock({ wait: 0 })).rejects.toBeInstanceOf(LockTimeoutError);
    await expect(lock.lock({ signal: AbortSignal.abort('enough') })).rejects.toBe('enough');
  });

  test('autoRenew keeps the hold', async () => {
    const { locker, clock } = new Bed();
    const lock = locker.New('a', '1s', { autoRenew: true });
    await lock.lock();
    await clock.advance(10_000);
    expect(lock.held).toBe(true);
  });
});

test('a handle whose acquiring failed can be used again', async () => {
  const { locker, instead } = new Bed();
  const lock = locker.New('a');
  instead.acquire = down;
  await expect(lock.lock()).rejects.toBeInstanceOf(LockBackendError);
  delete instead.acquire;
  expect(await lock.tryLock()).toBe(true);
});
