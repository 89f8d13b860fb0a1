import { startPostgres } from './postgres-server.js';
import { startRedis } from './redis-server.js';

/** A real server that processes share. */
export interface Backend {
  /** What an app needs in its environment to keep its locks there. */
  readonly env: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

export type BackendName = 'redis' | 'postgres';

export const BACKENDS: readonly BackendName[] = ['redis', 'postgres'];

/** Starts a server of our own. */
export async function startBackend(name: BackendName): Promise<Backend> {
  if (name === 'redis') {
    const server = await startRedis();
    return { env: { LOCK_PROVIDER: name, LOCK_REDIS_URL: server.url }, stop: () => server.stop() };
  }
  const server = await startPostgres();
  return { env: { LOCK_PROVIDER: name, LOCK_POSTGRES_URL: server.url() }, stop: () => server.stop() };
}

/** ms of the machine: all processes read the same. */
export const machineNow = (): number => Number(process.hrtime.bigint()) / 1e6;

/**
 * The first lines of a worker's source, for `runSource`: an app that stops on signals, its `locker`, `sleep`, and
 * `machineNow`.
 */
export const WORKER = `
  import { setTimeout as sleep } from 'node:timers/promises';
  import { createApp, lock, lockProvider } from 'latchkey';
  const machineNow = () => Number(process.hrtime.bigint()) / 1e6;
  const app = await createApp({ signals: true }).install(lockProvider).start();
  const locker = lock.L();
`;
