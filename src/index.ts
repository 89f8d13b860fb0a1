export { type AppOptions, createApp } from './app/application.js';
export { Config, type ConfigPath } from './app/config.js';
export { AppError, type AppErrorCode, ConfigError } from './app/errors.js';
export type { Health, HealthAnswer, HealthStatus } from './app/health.js';
export { lock } from './app/lock/accessor.js';
export { lockProvider } from './app/lock/lock-provider.js';
export type { LockProviderOptions } from './app/lock/options.js';
export { type LockDecorator, WithLock, type WithLockOptions } from './app/lock/with-lock.js';
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
export * from './locks.js';
