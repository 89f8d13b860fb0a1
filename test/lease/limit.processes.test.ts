import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import { LockRegistry, postgresDriver, redisDriver } from '../../src/locks.js';
import { BACKENDS, type Backend, startBackend, WORKER } from '../support/backends.js';
import { runSource, type Worker } from '../support/process.js';
import { until } from '../support/wait.js';

const PERMITS = 5;
const PROCESSES = 5;
const EACH = 10;
const WORK_MS = 5;

interface Hold {
  readonly caller: number;
  readonly fence: number;
  readonly from: number;
  readonly to: number;
}

/**
 * Asks for a permit of `key` for each caller it is sent, and says when that one held it. No hold ends before the
 * worker is sent 'work', so that how many begin together does not depend on the machine's speed.
 */
const asker = (key: string) => `${WORKER}
  let allow;
  const allowed = new Promise((resolve) => { allow = resolve; });
  send({ ready: true });
  for await (const caller of received) {
    if (caller === 'work') { allow(); continue; }
    locker.with('${key}', async ({ fence }) => {
      const from = machineNow();
      send({ began: caller });
      await allowed;
      await sleep(${WORK_MS});
      send({ caller, fence, from, to: machineNow() });
    }, { limit: ${PERMITS}, wait: 'forever' });
  }
`;

describe.each(BACKENDS)('on %s', (name) => {
  let backend: Backend;
  let registry: LockRegistry;
  const workers: Worker[] = [];
  beforeAll(async () => {
    backend = await startBackend(name);
    const { LOCK_REDIS_URL, LOCK_POSTGRES_URL } = backend.env;
    registry = new LockRegistry()
      .registerDriver('shared', () =>
        LOCK_REDIS_URL ? redisDriver({ url: LOCK_REDIS_URL }) : postgresDriver({ url: LOCK_POSTGRES_URL! }),
      )
      .registerLocker('default', { driver: 'shared' });
  });
  afterEach(() => {
    for (const worker of workers.splice(0)) worker.kill('SIGKILL');
  });
  afterAll(async () => {
    await registry.close();
    await backend.stop();
  });

  async function startAskers(key: string): Promise<void> {
    for (let n = 0; n < PROCESSES; n++) workers.push(runSource(asker(key), backend.env));
    await Promise.all(workers.map((worker) => worker.waitFor((message) => 'ready' in message)));
  }

  const holds = () =>
    workers.flatMap(({ messages }) => messages.filter((message) => 'caller' in message)) as unknown as Hold[];

  test('50 callers in five processes have 5 permits: in the order of asking, and never more than 5 at once', async () => {
    const key = randomUUID();
    const locker = registry.mustOf();
    await startAskers(key);
    const first = await locker.acquire(key, { ttl: '1m' });
    for (let caller = 0; caller < PROCESSES * EACH; caller++) {
      workers[caller % PROCESSES]!.send(caller);
      await until(async () => (await locker.inspect(key))?.waiters === caller + 1);
    }
    const spent = await scriptsOn(backend);
    await first.release();
    await until(
      () => workers.flatMap(({ messages }) => messages.filter((m) => 'began' in m)).length >= PERMITS,
    );
    for (const worker of workers) worker.send('work');
    await until(() => holds().length === PROCESSES * EACH, 30_000);
    // All claims have been made by then: this leaves one release a hold, and now and then a look.
    if (spent) expect((await scriptsOn(backend))! - spent).toBeLessThan(1.5 * PROCESSES * EACH);
    await until(async () => (await locker.inspect(key)) === null);

    const served = holds().sort((a, b) => a.fence - b.fence);
    expect(served.map(({ caller }) => caller)).toEqual([...Array(PROCESSES * EACH).keys()]);
    expect(mostAtOnce(served)).toBe(PERMITS);
  }, 60_000);
});

/** How many of our scripts a Redis has run for clients; of another backend nothing. */
async function scriptsOn({ env }: Backend): Promise<number | undefined> {
  if (!env.LOCK_REDIS_URL) return undefined;
  const redis = new Redis(env.LOCK_REDIS_URL);
  const stats = await redis.info('commandstats');
  redis.disconnect();
  return [...stats.matchAll(/^cmdstat_evalsha:calls=(\d+)/gm)].reduce(
    (sum, [, calls]) => sum + Number(calls),
    0,
  );
}

function mostAtOnce(holds: readonly Hold[]): number {
  return Math.max(
    ...holds.map(({ from }) => holds.filter((hold) => hold.from <= from && from < hold.to).length),
  );
}
