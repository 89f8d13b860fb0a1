/** Latchkey as it is built beside this folder. */
export { KeyedMutex, KeyedSemaphore, LockRegistry, redisDriver } from '../../dist/index.js';
