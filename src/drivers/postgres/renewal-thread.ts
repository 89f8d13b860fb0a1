import { Worker } from 'node:worker_threads';
import { type ThreadStart, threadStart } from '../../engine/thread/thread-start.js';
import { isPool, type LentPool, type PostgresOptions } from './options.js';

// Options of a pool that say nothing about a connection, and of a connection those that we set ourselves.
const UNUSED = new Set(['Client', 'Promise', 'log', 'verify', 'onConnect', 'types']);

/** How a thread is started that renews holds there, by a connection of its own. */
export function renewalThread(postgres: LentPool | PostgresOptions): ThreadStart {
  const { pool, ...options }: PostgresOptions = isPool(postgres) ? { pool: postgres } : postgres;
  const given = { ...revealed(pool?.options ?? {}), ...revealed(options) };
  const store = Object.fromEntries(Object.entries(given).filter(([name]) => !UNUSED.has(name)));
  return threadStart('PostgreSQL', store, start);
}

// Bundlers know a worker by these very words; its name is its own among those that are bundled beside one file.
const start = (options: object): Worker =>
  new Worker(new URL('./postgres-renewal-worker.js', import.meta.url), options);

/** What is set, also what pg hides: passwords and keys cannot be enumerated. */
function revealed(options: object): Record<string, unknown> {
  const values = Object.getOwnPropertyNames(options).map((name): [string, unknown] => [
    name,
    (options as Record<string, unknown>)[name],
  ]);
  const set = values.filter(([, value]) => value !== undefined);
  return Object.fromEntries(set.map(([name, value]) => [name, isRecord(value) ? revealed(value) : value]));
}

const isRecord = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
