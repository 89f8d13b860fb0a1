export type { Clock, Timer } from './core/clock.js';
export type { Duration, Wait } from './core/duration.js';
export {
  LOCK_ERROR_CODES,
  LockBackendError,
  LockClosedError,
  LockConfigError,
  LockDeadlockError,
  LockError,
  type LockErrorCode,
  LockLostError,
  LockNotHeldError,
  LockNotObtainedError,
  LockTimeoutError,
  LockUsageError,
  type LossReason,
} from './core/errors.js';
export { lockName, MAX_KEY_BYTES } from './core/key.js';
export { type BackoffOptions, type RetryStrategy, retry } from './core/retry.js';
export { memoryDriver } from './drivers/memory.js';
export { postgresDriver } from './drivers/postgres/driver.js';
export type { LentPool, PostgresOptions } from './drivers/postgres/options.js';
export { redisDriver } from './drivers/redis/driver.js';
export type { LentClient, RedisOptions } from './drivers/redis/options.js';
export type { LeadTrace, LockTrace, RevokeTrace } from './lease/diagnostics.js';
export type {
  AcquireRequest,
  DriverFactory,
  Extension,
  Grant,
  ListProgress,
  LockDriver,
  LockInfo,
  LockMode,
  RenewalOutcome,
  ThreadRenewal,
  ThreadTerms,
} from './lease/driver.js';
export { currentLease } from './lease/holding.js';
export type { Lease } from './lease/lease.js';
export { Lock } from './lease/lock.js';
export { type Keys, type ListOptions, Locker, type TryWithResult } from './lease/locker.js';
export type { OnceOptions, OnceResult } from './lease/once.js';
export type { AcquireOptions, LockerOptions } from './lease/options.js';
export { KeyedMutex, mutex } from './mutex/keyed-mutex.js';
export type { WaitOptions } from './mutex/keyed-queue.js';
export { KeyedSemaphore } from './mutex/keyed-semaphore.js';
export { type CloseOptions, type DriverStatus, type LockerInfo, LockRegistry } from './registry.js';
export { lock } from './running.js';
export { type LockDecorator, WithLock, type WithLockOptions } from './with-lock.js';
