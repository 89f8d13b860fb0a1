import { expect, test } from '@jest/globals';
import { expectTypeOf } from 'expect-type';
import {
  type AcquireOptions,
  createApp,
  type KeyedMutex,
  type Lease,
  type Locker,
  type LockInfo,
  LockNotObtainedError,
  type LockProviderOptions,
  LockRegistry,
  LockTimeoutError,
} from '../src/index.js';

const locker: Locker = new LockRegistry().mustOf();

test("fn's return type flows through with()", async () => {
  expectTypeOf(() => locker.with('k', () => 1)).returns.toEqualTypeOf<Promise<number>>();
  expectTypeOf(() => locker.with('k', async (lease) => lease.fence)).returns.toEqualTypeOf<Promise<number>>();
  expectTypeOf(() => locker.with(['a', 'b'] as const, () => 'text' as const)).returns.toEqualTypeOf<
    Promise<'text'>
  >();
  expect(await locker.with('k', () => 1)).toBe(1);
});

test('tryWith() narrows on acquired', async () => {
  const outcome = await locker.tryWith('k', () => 42);
  if (outcome.acquired) expectTypeOf(outcome.value).toEqualTypeOf<number>();
  else expectTypeOf(outcome).toEqualTypeOf<{ acquired: false }>();
  // @ts-expect-error: there may be no value
  expect(outcome.value).toBe(42);
});

test('once() narrows on ran, lead() gives what its function does', async () => {
  const outcome = await locker.once('k', 1, () => 42);
  if (outcome.ran) expectTypeOf(outcome.value).toEqualTypeOf<number>();
  else expectTypeOf(outcome).toEqualTypeOf<{ ran: false; by?: Record<string, string>; at?: number }>();
  // @ts-expect-error: there may be no value
  expect(outcome.value).toBe(42);
  expectTypeOf(() => locker.lead('k', async ({ fence }) => fence)).returns.toEqualTypeOf<Promise<number>>();
  expectTypeOf(() => locker.list({ prefix: 'k', onProgress: ({ seen }) => seen })).returns.toEqualTypeOf<
    AsyncIterable<LockInfo>
  >();
  expectTypeOf(() => locker.revoke('k', 1, { grace: '1s' })).returns.toEqualTypeOf<Promise<boolean>>();
});

test('tryAcquire() may give null, acquire() does not', async () => {
  expectTypeOf(() => locker.tryAcquire('k')).returns.toEqualTypeOf<Promise<Lease | null>>();
  expectTypeOf(() => locker.acquire('k')).returns.toEqualTypeOf<Promise<Lease>>();
  expectTypeOf(() => locker.inspect('k')).returns.toEqualTypeOf<Promise<LockInfo | null>>();
  expect(await locker.inspect('k')).toBeNull();
  expectTypeOf<LockInfo>().toEqualTypeOf<{
    key: string;
    mode: 'write' | 'read';
    limit?: number;
    waiters: number;
    holders: { fence: number; ttl: number; since: number; meta: Record<string, string> }[];
    waiting: { mode: 'write' | 'read'; since: number; meta: Record<string, string> }[];
    restsUntil?: number;
  }>();
});

test('the names and types of options are checked', () => {
  expectTypeOf<AcquireOptions['mode']>().toEqualTypeOf<'write' | 'read' | undefined>();
  const options: AcquireOptions[] = [
    // @ts-expect-error: no such option
    { tll: '1s' },
    // @ts-expect-error: no such mode
    { mode: 'shared' },
    // @ts-expect-error: text is for durations
    { autoRenew: 'true' },
    // @ts-expect-error: metadata is text
    { meta: { pid: 1 } },
  ];
  // @ts-expect-error: no such option of a locker
  const component: LockProviderOptions = { lockers: { jobs: { tll: 1 } } };
  expect([options.length, component.lockers]).toEqual([4, { jobs: { tll: 1 } }]);
});

test('a keyed mutex checks its keys, and gives what the function gives', () => {
  expectTypeOf<KeyedMutex<number>['lock']>().parameter(0).toEqualTypeOf<number>();
  expectTypeOf<ReturnType<KeyedMutex['tryLock']>>().toEqualTypeOf<boolean>();
  const run = (mutex: KeyedMutex) => mutex.lockFunc('k', () => 'v');
  expectTypeOf(run).returns.toEqualTypeOf<Promise<string>>();
  expect(typeof run).toBe('function');
});

test('a time-out is a kind of not obtaining; an app is disposable', () => {
  expectTypeOf<LockTimeoutError>().toExtend<LockNotObtainedError>();
  expectTypeOf(createApp).returns.toExtend<AsyncDisposable>();
  expect(new LockTimeoutError('k', 5)).toBeInstanceOf(LockNotObtainedError);
});
