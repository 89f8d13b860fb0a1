import { randomUUID } from 'node:crypto';
import { lockName } from '../../../src/core/key.js';
import type { AcquireRequest, Grant, LockDriver } from '../../../src/lease/driver.js';
import { stopwatch } from '../../support/wait.js';

/** A key that no other test uses, as a driver is given it. */
export const freshKey = (name = 'key'): string => lockName(`${randomUUID()}:`, name);

/** Asks to write, for 10 s, once, with a token of its own. */
export function ask(
  driver: LockDriver,
  key: string,
  request: Partial<AcquireRequest> = {},
): Promise<Grant | null> {
  return driver.acquire({
    key,
    token: randomUUID(),
    mode: 'write',
    ttl: 10_000,
    wait: 0,
    retryInterval: 100,
    meta: {},
    ...request,
  });
}

/** As `ask`, where the answer must be a grant: a server that stalls for a moment is waited for. */
export async function take(
  driver: LockDriver,
  key: string,
  request: Partial<AcquireRequest> = {},
): Promise<Grant> {
  const grant = await ask(driver, key, { patience: 5_000, ...request });
  if (!grant) throw new Error(`expected to be granted ${key}`);
  return grant;
}

/** Resolves when it is connected, which may take a slow machine longer than a ping waits; rejects with what keeps it from that. */
export async function connected(driver: LockDriver): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await driver.ping();
    } catch (error) {
      if (tries === 10 || !(error as Error).message.endsWith('not connected')) throw error;
    }
  }
}

/**
 * How long it took, in ms, and what came of it. `ran` is how long this process ran meanwhile: a bound from above is one
 * of that, for the machine may stall.
 */
export async function timed<T>(
  promise: Promise<T>,
): Promise<{ ms: number; ran: number; value?: T; error?: Error }> {
  const started = performance.now();
  const watch = stopwatch();
  const took = () => ({ ms: performance.now() - started, ran: watch.stop() });
  try {
    const value = await promise;
    return { ...took(), value };
  } catch (error) {
    return { ...took(), error: error as Error };
  }
}
