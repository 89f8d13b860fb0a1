export type { Clock, Timer } from '../core/clock.js';
export type { Duration, Wait } from '../core/duration.js';
export {
  LockError,
  LockNotHeldError,
  LockNotObtainedError,
  LockTimeoutError,
  LockUsageError,
} from '../core/errors.js';
export { type BackoffOptions, type RetryStrategy, retry } from '../core/retry.js';
export { KeyedMutex, mutex, type WaitOptions } from './keyed-mutex.js';
