import { join } from 'node:path';
import { Worker, type WorkerOptions } from 'node:worker_threads';
import { systemClock } from '../../../../src/core/clock.js';
import { systemRandom } from '../../../../src/core/random.js';
import { dial } from '../../../../src/drivers/redis/client.js';
import { redisDriver } from '../../../../src/drivers/redis/driver.js';
import { renewalThread } from '../../../../src/drivers/redis/renewal-thread.js';
import { RedisStore } from '../../../../src/drivers/redis/store.js';
import { queuedDriver } from '../../../../src/engine/queued-driver.js';
import type { ThreadStart } from '../../../../src/engine/thread/thread-start.js';
import type { AcquireRequest, LockDriver } from '../../../../src/lease/driver.js';

export type Target = NonNullable<Parameters<typeof redisDriver>[0]> | string;

declare global {
  /** Set by jest.config.js, whose second project runs the suite with `'thread'`. */
  var renewIn: 'thread' | undefined;
}

/** Where the leases of this run of the suite are renewed. */
export const RENEW_IN = globalThis.renewIn ?? 'main';

/** A driver of Redis. Where the suite renews in a thread, it has that of the built package: a worker runs no TypeScript. */
export async function driverOf(target: Target): Promise<LockDriver> {
  const redis = typeof target === 'string' ? { url: target } : target;
  if (RENEW_IN === 'main') return redisDriver(redis);
  const store = new RedisStore(await dial(redis), systemClock);
  return queuedDriver(store, {
    clock: systemClock,
    random: systemRandom,
    thread: built(renewalThread(redis)),
  });
}

/** As `driverOf`, of holds whose times the test sets: a thread shares them all, and renews none. */
export async function bareDriverOf(target: Target): Promise<LockDriver> {
  const driver = await driverOf(target);
  if (RENEW_IN === 'main') return driver;
  const acquire = async (request: AcquireRequest) => {
    const grant = await driver.acquire(request);
    if (grant) driver.renewInThread!(grant, { ttl: 0, until: Infinity, maxBlock: Infinity, onLost() {} });
    return grant;
  };
  return new Proxy(driver, {
    get(_, name: keyof LockDriver) {
      return name === 'acquire' ? acquire : driver[name]?.bind(driver);
    },
  });
}

const worker = join(process.cwd(), 'dist/drivers/redis/renewal-worker.js');

const built = (thread: ThreadStart): ThreadStart =>
  'impossible' in thread
    ? thread
    : { ...thread, start: (options: WorkerOptions) => new Worker(worker, options) };
