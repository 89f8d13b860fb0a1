import { LockBackendError, LockError } from '../core/errors.js';
import { messageOf } from '../text/message-of.js';

/** What a driver threw, as the user sees it: what is no LockError was a failure of the backend, and becomes its cause. */
export function faultOf(error: unknown): LockError {
  if (error instanceof LockError) return error;
  return new LockBackendError(`the driver failed: ${messageOf(error)}`, { cause: error });
}
