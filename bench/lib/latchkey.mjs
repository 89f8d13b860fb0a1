/** Latchkey as it is built beside this folder. */
export { KeyedMutex, KeyedSemaphore, LockRegistry, postgresDriver, redisDriver } from '../../dist/index.js';
