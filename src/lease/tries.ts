import type { Clock } from '../core/clock.js';
import { attempts, type RetryStrategy } from '../core/retry.js';
import type { AcquireRequest, Grant, LockDriver } from './driver.js';
import { faultOf } from './fault.js';

/** How long the answer to a single try may take, in ms. */
export const TRY_PATIENCE = 1_000;
/** The least time that an answer is given, however little is left of the wait; in ms. */
export const LEAST_PATIENCE = 100;

/**
 * Tries as `retry` says, until that ends or `deadline` has come; then null.
 * @throws LockBackendError, the signal's reason, what `retry` throws
 */
export async function tryOften(
  retry: RetryStrategy,
  deadline: number,
  driver: LockDriver,
  request: AcquireRequest,
  clock: Clock,
): Promise<Grant | null> {
  let grant: Grant | null = null;
  try {
    for await (const _ of attempts(retry, { deadline, clock, signal: request.signal })) {
      grant = await tryOnce(driver, request, deadline - clock.now());
      if (grant) break;
    }
    return grant;
  } finally {
    if (!grant) driver.endTries?.(request);
  }
}

async function tryOnce(driver: LockDriver, request: AcquireRequest, left: number): Promise<Grant | null> {
  const patience = Math.min(TRY_PATIENCE, Math.max(LEAST_PATIENCE, left));
  try {
    return await driver.acquire({ ...request, wait: 0, patience, isRepeated: true });
  } catch (error) {
    throw request.signal?.aborted ? request.signal.reason : faultOf(error);
  }
}
