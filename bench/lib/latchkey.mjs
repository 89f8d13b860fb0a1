/** Latchkey as it is built beside this folder. */
export { KeyedMutex, LockRegistry, redisDriver } from '../../dist/index.js';
