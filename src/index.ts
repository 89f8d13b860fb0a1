export { type AppOptions, createApp } from './app/application.js';
export { Config, type ConfigPath } from './app/config.js';
export { AppError, type AppErrorCode, ConfigError } from './app/errors.js';
export type { Health, HealthAnswer, HealthStatus } from './app/health.js';
export type { App, Provider, ProviderContext } from './app/provider.js';
export {
  type ConfigEntry,
  type ConfigFormat,
  type ConfigSchema,
  type ConfigShape,
  type ConfigTable,
  flag,
  text,
  texts,
} from './app/schema.js';
export { memoryDriver } from './drivers/memory.js';
export { redisDriver } from './drivers/redis/driver.js';
export type { LentClient, RedisOptions } from './drivers/redis/options.js';
export { lock } from './ioc/accessor.js';
export { lockProvider } from './ioc/lock-provider.js';
export type { LockProviderOptions } from './ioc/settings.js';
export { WithLock, type WithLockOptions } from './ioc/with-lock.js';
export type { Clock, Timer } from './lock/clock.js';
export type {
  AcquireRequest,
  DriverFactory,
  Extension,
  Grant,
  LockDriver,
  LockInfo,
  LockMode,
} from './lock/driver.js';
export type { Duration, Wait } from './lock/duration.js';
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
} from './lock/errors.js';
export { currentLease } from './lock/holding.js';
export { lockName, MAX_KEY_BYTES } from './lock/key.js';
export { KeyedMutex, mutex, type WaitOptions } from './lock/keyed-mutex.js';
export type { Lease } from './lock/lease.js';
export { Lock } from './lock/lock.js';
export { type Keys, Locker, type TryWithResult } from './lock/locker.js';
export type { AcquireOptions, LockerOptions } from './lock/options.js';
export { type BackoffOptions, type RetryStrategy, retry } from './lock/retry.js';
export type { LockTrace } from './lock/traces.js';
export { type CloseOptions, type DriverStatus, type LockerInfo, LockRegistry } from './registry.js';
