import { EventEmitter } from 'node:events';
import type { Worker, WorkerOptions } from 'node:worker_threads';
import { afterEach, expect, jest, test } from '@jest/globals';
import { queuedDriver } from '../../../src/engine/queued-driver.js';
import type { FromThread, ThreadData, ToThread } from '../../../src/engine/thread/messages.js';
import { RenewalLoop } from '../../../src/engine/thread/renewal-loop.js';
import { SharedClock } from '../../../src/engine/thread/shared-clock.js';
import { LockRegistry } from '../../../src/registry.js';
import { FakeClock, ModelServer } from '../../../src/testing/index.js';

afterEach(() => void jest.restoreAllMocks());

/** A worker in this thread, with a connection of its own. */
class LoopWorker extends EventEmitter {
  readonly #loop: RenewalLoop;

  constructor({ workerData }: WorkerOptions, clock: FakeClock, store: ReturnType<ModelServer['connect']>) {
    super();
    const { time } = structuredClone(workerData as ThreadData);
    this.#loop = new RenewalLoop(store, clock, new SharedClock(clock, time), (message: FromThread) =>
      queueMicrotask(() => this.emit('message', message)),
    );
  }

  postMessage(message: ToThread): void {
    this.#loop.receive(structuredClone(message));
  }

  unref(): void {}

  async terminate(): Promise<number> {
    return 0;
  }
}

test.each([0.1, 0.2, 0.3, 0.4])(
  'a lease is kept where each thread renews before the other has its answer: that takes %d of the ttl',
  async (share) => {
    const ttl = 1_000;
    const clock = new FakeClock(1_000);
    jest.spyOn(process.hrtime, 'bigint').mockImplementation(() => BigInt(Math.round(clock.now() * 1e6)));
    const server = new ModelServer({ clock, micros: 1e15 });
    const link = { latency: () => (ttl * share) / 2 };
    const start = (options: WorkerOptions) =>
      new LoopWorker(options, clock, server.connect({ link })) as unknown as Worker;
    const driver = queuedDriver(server.connect({ link }), {
      ...{ clock, random: () => 0.5, thread: { store: {}, start } },
    });
    const registry = new LockRegistry({ clock }).registerDriver('model', driver);
    registry.registerLocker('threaded', { driver: 'model', ttl, autoRenew: true, renewIn: 'thread' });
    const asked = registry.mustOf('threaded').acquire('k', { wait: '5s' });
    await clock.advance(2_000);
    const lease = await asked;
    for (let i = 0; i < 40; i++) {
      // Once for less, where there is time for that, and once for longer: what is asked for from then on is less, and as
      // much each time.
      if (i === 10 && share < 0.4) void lease.extend(10);
      if (i === 20) void lease.extend(2_000);
      await clock.advance(250);
      expect(lease.held).toBe(true);
      expect(lease.ttl()).toBeLessThanOrEqual((await server.lock('lock:{k}').read())?.holders[0]?.ttl ?? 0);
    }
    const closed = registry.close({ grace: 0 });
    await clock.advance(10_000);
    await closed;
  },
);
