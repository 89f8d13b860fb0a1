export { lock } from '../running.js';
export { lockHealth } from '../setup/health.js';
export type { LockProviderOptions } from '../setup/options.js';
export { getLockerToken, InjectLocker } from './inject-locker.js';
export { type LatchkeyAsyncOptions, LatchkeyModule } from './module.js';
