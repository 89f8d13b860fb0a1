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
export { KeyedMutex, mutex } from './keyed-mutex.js';
export type { WaitOptions } from './keyed-queue.js';
export { KeyedSemaphore } from './keyed-semaphore.js';
