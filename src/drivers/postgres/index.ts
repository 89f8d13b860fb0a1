export { postgresDriver } from './driver.js';
export { type ClientPool, guard, guardedTransaction, type QueryClient } from './guard.js';
export type { LentPool, PostgresOptions } from './options.js';
export { postgresSchema } from './schema.js';
