import { firstOf } from '../core/abort.js';
import { type Clock, LOOK_MS, LOOKS, sleep } from '../core/clock.js';
import { parseDuration } from '../core/duration.js';
import { LockBackendError } from '../core/errors.js';
import type { RetryStrategy } from '../core/retry.js';
import type { AcquireRequest, Grant, LockDriver } from './driver.js';

/** Tries as `retry` says, until `deadline`; null when that ends. @throws LockBackendError, the signal's reason */
export async function tryOften(
  retry: RetryStrategy,
  deadline: number,
  driver: LockDriver,
  request: AcquireRequest,
  clock: Clock,
): Promise<Grant | null> {
  for (const delay of retry) {
    const ms = parseDuration('retry', delay);
    if (ms > 0 && clock.now() + ms > deadline) {
      await sleep(deadline - clock.now(), clock, request.signal);
      return null;
    }
    if (ms > 0) await sleep(ms, clock, request.signal);
    const grant = await tryBefore(deadline, driver, request, clock);
    if (grant) return grant;
  }
  return null;
}

/** One try, which a silent backend does not make longer than the wait. */
async function tryBefore(
  deadline: number,
  driver: LockDriver,
  request: AcquireRequest,
  clock: Clock,
): Promise<Grant | null> {
  const late = new AbortController();
  const started = clock.now();
  const look = (looks: number) => () => {
    if (looks > 0) timer = clock.after(LOOK_MS, look(looks - 1));
    else late.abort(new LockBackendError(`no answer within ${Math.round(clock.now() - started)} ms`));
  };
  let timer = clock.after(Math.max(0, deadline - started), look(LOOKS));
  const { signal, done } = firstOf(late.signal, request.signal);
  try {
    return await driver.acquire({ ...request, wait: 0, signal });
  } finally {
    timer.cancel();
    done();
  }
}
