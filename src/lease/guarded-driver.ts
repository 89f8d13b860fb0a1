import { LockBackendError, LockError } from '../core/errors.js';
import type { LockDriver } from './driver.js';

/**
 * `driver`, such that whatever it throws, now or later, is a rejection with a LockError or with the reason of the
 * request's signal. Anything else was a failure of the backend, and becomes a LockBackendError with it as its cause.
 */
export function guardedDriver(driver: LockDriver): LockDriver {
  return {
    acquire: (request) => guarded(() => driver.acquire(request), request.signal),
    extend: (grant, ttl) => guarded(() => driver.extend(grant, ttl)),
    ...(driver.extendMany && { extendMany: (extensions) => guarded(() => driver.extendMany!(extensions)) }),
    release: (grant) => guarded(() => driver.release(grant)),
    inspect: (key) => guarded(() => driver.inspect(key)),
    ping: () => guarded(() => driver.ping()),
    close: () => guarded(() => driver.close()),
  };
}

async function guarded<T>(fn: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  try {
    return await fn();
  } catch (error) {
    if (error instanceof LockError || (signal?.aborted && error === signal.reason)) throw error;
    throw new LockBackendError(
      `the driver failed: ${error instanceof Error ? error.message : String(error)}`,
      {
        cause: error,
      },
    );
  }
}
