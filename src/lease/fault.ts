import { LockBackendError, LockError } from '../core/errors.js';

/** What a driver threw, as the user sees it: what is no LockError was a failure of the backend, and becomes its cause. */
export function faultOf(error: unknown): LockError {
  if (error instanceof LockError) return error;
  const why = error instanceof Error ? error.message : String(error);
  return new LockBackendError(`the driver failed: ${why}`, { cause: error });
}
