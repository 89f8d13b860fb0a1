import { afterAll, afterEach, beforeAll, beforeEach } from '@jest/globals';
import type { Redis } from 'ioredis';
import { type LeakWatch, watchForLeaks } from '../../../support/leaks.js';
import type { Worker } from '../../../support/process.js';
import { startProxy, type TcpProxy } from '../../../support/proxy.js';
import { type RedisServer, startRedis } from '../../../support/redis-server.js';
import { until } from '../../../support/wait.js';
import { closeAll } from './rig.js';

/** Of the file, or of the test that runs. */
export let server: RedisServer;
/** A client of `server`, where one server serves all tests. */
export let redis: Redis;
/** To `server`, another one for each test; only on a stage with `proxied`. */
export let proxy: TcpProxy;
/** Killed after the test. */
export const workers: Worker[] = [];

/** One server for all tests, and nothing else. */
export function serverForAll(): void {
  beforeAll(async () => {
    server = await startRedis();
    redis = server.client();
    await redis.ping();
  });
  afterAll(() => server.stop());
}

/** One server for all tests, each of which closes what it opened and must leave nothing behind. */
export function stageForAll({ proxied = false } = {}): void {
  serverForAll();
  stage(proxied, false);
}

/** As `stageForAll`, with a server of its own for each test. */
export function stageForEach({ proxied = false } = {}): void {
  stage(proxied, true);
}

function stage(proxied: boolean, ownServer: boolean): void {
  let watch: LeakWatch;

  beforeEach(async () => {
    watch = watchForLeaks();
    if (ownServer) server = await startRedis();
    if (proxied) proxy = await startProxy(server.port);
  });

  afterEach(async () => {
    await killWorkers();
    workers.length = 0;
    if (proxied) proxy.passThrough();
    server.resume();
    await closeAll();
    if (proxied) {
      // Node leaks a socket that is reset while it is ending.
      await until(() => proxy.connections === 0, 1_000).catch(() => {});
      await proxy.close();
    }
    if (ownServer) await server.stop();
    await watch.assertNone();
  });
}

/** Resolves when they are gone. */
export async function killWorkers(): Promise<void> {
  for (const worker of workers) worker.kill('SIGKILL');
  await Promise.all(workers.map(({ exited }) => exited));
}
