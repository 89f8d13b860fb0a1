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

/** A lease of a second that a thread renews, too, and that was obtained just now. `latency`: ms that a message takes. */
async function threaded(latency: number) {
  const clock = new FakeClock(1_000);
  jest.spyOn(process.hrtime, 'bigint').mockImplementation(() => BigInt(Math.round(clock.now() * 1e6)));
  const server = new ModelServer({ clock, micros: 1e15 });
  const link = { latency: () => latency };
  const start = (options: WorkerOptions) =>
    new LoopWorker(options, clock, server.connect({ link })) as unknown as Worker;
  const driver = queuedDriver(server.connect({ link }), {
    ...{ clock, random: () => 0.5, thread: { store: {}, start } },
  });
  const registry = new LockRegistry({ clock }).registerDriver('model', driver);
  registry.registerLocker('threaded', { driver: 'model', ttl: 1_000, autoRenew: true, renewIn: 'thread' });
  const asked = registry.mustOf('threaded').acquire('k', { wait: '5s' });
  await clock.advance(2_000);
  const lease = await asked;
  const close = async () => {
    const closed = registry.close({ grace: 0 });
    await clock.advance(10_000);
    await closed;
  };
  return { clock, server, lease, close };
}

test.each([0.1, 0.2, 0.3, 0.4])(
  'a lease is kept where each thread renews before the other has its answer: that takes %d of the ttl',
  async (share) => {
    const { clock, server, lease, close } = await threaded((1_000 * share) / 2);
    for (let i = 0; i < 40; i++) {
      // Once for less, where there is time for that, and once for longer: what is asked for from then on is less, and as
      // much each time.
      if (i === 10 && share < 0.4) void lease.extend(10);
      if (i === 20) void lease.extend(2_000);
      await clock.advance(250);
      expect(lease.held).toBe(true);
      expect(lease.ttl()).toBeLessThanOrEqual((await server.lock('lock:{k}').read())?.holders[0]?.ttl ?? 0);
    }
    await close();
  },
);

test('a lease has the longer time that it was refreshed to, though the thread renews it for the former at any moment', async () => {
  const latency = 50;
  const { clock, lease, close } = await threaded(latency);
  for (let i = 0; i < 40; i++) {
    expect(await answered(clock, lease.refresh(1_000))).toBe(true);
    // The thread renews it some time in these.
    await clock.advance(10 * i);
    let left = 0;
    const refreshed = lease.refresh('1h').then((answer) => {
      left = lease.ttl();
      return answer;
    });
    expect(await answered(clock, refreshed)).toBe(true);
    expect(left).toBeGreaterThan(3_590_000);
    expect(left).toBeLessThan(3_600_000);
  }
  await close();
});

async function answered<T>(clock: FakeClock, asked: Promise<T>): Promise<T> {
  await clock.advance(500);
  return asked;
}
