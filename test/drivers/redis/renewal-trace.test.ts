import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { LockTrace } from '../../../src/lease/diagnostics.js';
import { runSource, type Worker } from '../../support/process.js';
import { type RedisServer, startRedis } from '../../support/redis-server.js';
import { sleep, until } from '../../support/wait.js';
import { closeAll, locks } from './support/rig.js';

const TTL = 9_000;

let server: RedisServer;

beforeAll(async () => {
  server = await startRedis();
});
afterEach(() => closeAll());
afterAll(() => server.stop());

test('each renewal in the main thread is told of, with its outcome', async () => {
  const seen: LockTrace[] = [];
  const note = (message: unknown) => seen.push(message as LockTrace);
  subscribe('latchkey:renewal', note);
  try {
    const lease = await locks(server.url).mustOf().acquire('a', { ttl: 4_500, autoRenew: true });
    await until(() => seen.length >= 2);
    expect(seen[0]).toMatchObject({ locker: 'default', keys: ['a'], fence: lease.fence });
    await server.ask((client) => client.flushall());
    await until(() => lease.signal.aborted);
    const outcomes = seen.map(({ outcome }) => outcome);
    expect([new Set(outcomes.slice(0, -1)), outcomes.at(-1)]).toEqual([new Set(['renewed']), 'lost']);
  } finally {
    unsubscribe('latchkey:renewal', note);
  }
});

describe('renewals in a thread', () => {
  /** Tells of each renewal, and of each message of the thread. */
  const holding = (listen: boolean): Worker =>
    runSource(
      `
      import { subscribe } from 'node:diagnostics_channel';
      import { syncBuiltinESMExports } from 'node:module';
      import workerThreads from 'node:worker_threads';
      workerThreads.Worker = class extends workerThreads.Worker {
        constructor(file, options) {
          super(file, options);
          this.on('message', (message) => send({ ofThread: message }));
        }
      };
      syncBuiltinESMExports();
      const { LockRegistry, redisDriver } = await import('latchkey');
      const registry = new LockRegistry();
      registry.registerDriver('redis', () => redisDriver({ url: process.env.URL }));
      registry.registerLocker('r', { driver: 'redis', autoRenew: true, renewIn: 'thread', ttl: ${TTL} });
      const told = ({ keys, fence, outcome }) => send({ keys, fence, outcome });
      if (process.env.LISTEN) subscribe('latchkey:renewal', told);
      const lease = await registry.mustOf('r').acquire('a');
      send({ held: lease.fence });
      lease.signal.addEventListener('abort', () => send({ lost: lease.signal.reason.reason }));
      for await (const _ of received) send({ held: lease.held });
      await registry.close({ grace: 0 });
      `,
      { URL: server.url, ...(listen && { LISTEN: '1' }) },
    );

  // A process may take long to start on a busy machine.
  const PATIENCE = 60_000;

  /** The outcomes of which its thread told the process. */
  const ofThread = (worker: Worker) =>
    worker.messages.flatMap(({ ofThread: message }) => {
      const { outcome } = (message ?? {}) as { outcome?: string };
      return outcome ? [outcome] : [];
    });

  test(
    'are told of, with their outcomes',
    async () => {
      const worker = holding(true);
      const { held: fence } = await worker.waitFor(({ held }) => held !== undefined, PATIENCE);
      await until(() => ofThread(worker).length >= 2, PATIENCE);
      expect(new Set(ofThread(worker))).toEqual(new Set(['renewed']));
      await server.ask((client) => client.flushall());
      await worker.waitFor(({ lost }) => lost === 'stolen', PATIENCE);
      await until(() => ofThread(worker).includes('lost'), PATIENCE);
      const told = worker.messages.filter(({ outcome }) => outcome);
      expect(told.length).toBeGreaterThanOrEqual(2);
      expect(told[0]).toEqual({ keys: ['a'], fence, outcome: 'renewed' });
      worker.kill('SIGKILL');
    },
    4 * PATIENCE,
  );

  test(
    'cost the thread no message where nobody listens as the lease begins',
    async () => {
      const worker = holding(false);
      await worker.waitFor(({ held }) => held !== undefined, PATIENCE);
      await sleep(TTL * 1.1);
      worker.send({});
      expect(await worker.waitFor(({ held }) => typeof held === 'boolean', PATIENCE)).toEqual({ held: true });
      expect(ofThread(worker)).toEqual([]);
      worker.kill('SIGKILL');
    },
    3 * PATIENCE,
  );
});
