import { runSource, type Worker } from '../../../support/process.js';

export type DriverName = 'redis' | 'postgres';

/** Of the leases of `threadChild`, in ms: two thirds of it are as much as a machine may stall. */
export const TTL = 1_500;

/**
 * `locker()` renews in a thread; `block(ms)` computes; `standStill(ms)` takes no CPU, so that many processes can do it at
 * once; `threads` are the worker threads that were started, and `told` is what they were told.
 */
const prelude = `
  import workerThreads from 'node:worker_threads';
  import { syncBuiltinESMExports } from 'node:module';
  import { setTimeout as sleep } from 'node:timers/promises';
  const threads = [];
  const told = [];
  workerThreads.Worker = class extends workerThreads.Worker {
    constructor(file, options) {
      super(process.env.FILE ?? file, options);
      threads.push(this);
    }
    postMessage(message) {
      told.push(message);
      super.postMessage(message);
    }
  };
  syncBuiltinESMExports();
  const { LockRegistry, redisDriver, postgresDriver } = await import(process.env.PACKAGE ?? 'latchkey');
  const warnings = [];
  process.on('warning', ({ code }) => warnings.push(code));
  const registries = [];
  const driver = process.env.DRIVER;
  const driverOf = { redis: redisDriver, postgres: postgresDriver }[driver];
  const locker = (target = { url: process.env.URL }, ttl = ${TTL}) => {
    const registry = new LockRegistry();
    registry.registerDriver(driver, () => driverOf(target));
    registry.registerLocker('default', { driver, autoRenew: true, renewIn: 'thread', ttl });
    registries.push(registry);
    return registry.mustOf();
  };
  const close = () => Promise.all(registries.map((registry) => registry.close({ grace: 0 })));
  const block = (ms) => {
    const end = performance.now() + ms;
    while (performance.now() < end);
  };
  const standStill = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
  const reasonOf = (lease) => {
    try {
      lease.ensureHeld();
    } catch ({ reason }) {
      return reason;
    }
  };
`;

/** A process that renews in a thread, by what is built in `dist/`, or by the file PACKAGE. */
export function threadChild(
  driver: DriverName,
  source: string,
  env: Readonly<Record<string, string>>,
): Worker {
  return runSource(prelude + source, { DRIVER: driver, ...env });
}
