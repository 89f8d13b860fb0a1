import type { Redis } from 'ioredis';
import type { AcquireRequest, Grant, LockDriver } from '../../../../src/lease/driver.js';
import type { LockerOptions } from '../../../../src/lease/options.js';
import { LockRegistry } from '../../../../src/registry.js';
import { traces, waitersOf } from '../../../support/stored-lock.js';
import { until } from '../../../support/wait.js';
import { connected, take } from '../../support/calls.js';
import { bareDriverOf, driverOf, RENEW_IN, type Target } from './driver.js';

export * from '../../../support/stored-lock.js';
export * from '../../support/calls.js';

const opened: { close(): Promise<void> }[] = [];

/** A driver, closed by `closeAll`; connected unless `cold`. */
export async function open(target: Target, cold = false): Promise<LockDriver> {
  const driver = await bareDriverOf(target);
  opened.push(driver);
  if (!cold) await connected(driver);
  return driver;
}

export function openMany(count: number, target: Target): Promise<LockDriver[]> {
  return Promise.all(Array.from({ length: count }, () => open(target)));
}

/** A registry whose locker `default` uses Redis, closed by `closeAll`. */
export function locks(target: Target, defaults: LockerOptions = {}): LockRegistry {
  const registry = new LockRegistry();
  registry.registerDriver('redis', () => driverOf(target));
  registry.registerLocker('default', { renewIn: RENEW_IN, ...defaults, driver: 'redis' });
  opened.push({ close: () => registry.close({ grace: 0 }) });
  return registry;
}

export async function closeAll(): Promise<void> {
  await Promise.all(opened.splice(0).map((each) => each.close()));
}

/** As `take`, of one who waits; resolves when Redis has it in its queue. */
export async function queue(
  redis: Redis,
  driver: LockDriver,
  key: string,
  request: Partial<AcquireRequest> = {},
): Promise<{ granted: Promise<Grant> }> {
  const before = await waitersOf(redis, key);
  const granted = take(driver, key, { wait: 20_000, ...request });
  granted.catch(() => {});
  await until(async () => (await waitersOf(redis, key)) > before, 10_000, 'the waiter to be queued');
  return { granted };
}

/** Resolves when just so many are in line. */
export async function inLine(redis: Redis, key: string, count: number, withinMs = 20_000): Promise<void> {
  await until(async () => (await waitersOf(redis, key)) === count, withinMs, `${count} in line`);
}

export async function expectFree(redis: Redis, key: string, withinMs = 8_000): Promise<void> {
  await until(async () => (await traces(redis, key)) === 0, withinMs, `${key} to be free`);
}

/** What the promise rejects with. */
export async function reasonOf(
  promise: Promise<unknown>,
): Promise<Error & { code?: string; reason?: string }> {
  const value = await promise.then(
    (answer) => ({ answer }),
    (error: Error) => error,
  );
  if (value instanceof Error) return value;
  throw new Error(`expected a rejection, got ${JSON.stringify(value)}`);
}
