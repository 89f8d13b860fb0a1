import { expect, test } from '@jest/globals';
import type { Redis } from 'ioredis';
import { LockBackendError } from '../../../src/core/errors.js';
import type { LockDriver } from '../../../src/lease/driver.js';
import { startProxy } from '../../support/proxy.js';
import { sleep } from '../../support/wait.js';
import {
  ask,
  expectFree,
  freshKey,
  inLine,
  locks,
  open,
  openMany,
  queue,
  reasonOf,
  take,
} from './support/rig.js';
import { server, stageForEach } from './support/stage.js';

stageForEach();

test('ten thousand cancels that race with grants leave nothing locked, and nobody forgotten', async () => {
  const drivers = await openMany(8, server.url);
  const keys = Array.from({ length: 25 }, (_, n) => freshKey(`k${n}`));
  const inside = new Map<string, number>();
  let [granted, cancelled] = [0, 0];
  // So that on a slow machine, too, about as many are granted as are cancelled.
  let slower = 1;
  const pick = <T>(of: readonly T[]) => of[Math.floor(Math.random() * of.length)]!;
  const once = async (driver: LockDriver) => {
    const key = pick(keys);
    const stop = new AbortController();
    const reason = new Error('enough');
    const delay = Math.random() * 6 * slower;
    const abort = async () => {
      if (delay > 1) await sleep(delay);
      else for (let turns = delay * 20; turns > 0; turns--) await Promise.resolve();
      stop.abort(reason);
    };
    void abort();
    const mode = Math.random() < 0.3 ? 'read' : 'write';
    try {
      const wait = Math.random() < 0.1 ? 0 : 5_000;
      const grant = await ask(driver, key, { wait, mode, ttl: 30_000, signal: stop.signal });
      if (!grant) return;
      granted++;
      slower = Math.max(1, slower / 1.01);
      const before = inside.get(key) ?? 0;
      const now = before + (mode === 'write' ? 1_000 : 1);
      if (mode === 'write' ? before !== 0 : before >= 1_000) throw new Error(`${key}: ${before} inside`);
      inside.set(key, now);
      if (Math.random() < 0.5) await sleep(Math.random() * 2);
      inside.set(key, inside.get(key)! - (now - before));
      if (!(await driver.release(grant))) throw new Error('the release was false');
    } catch (error) {
      if (error !== reason) throw error;
      cancelled++;
      slower = Math.min(100, slower * 1.01);
    }
  };
  let left = 10_000;
  const worker = async (n: number) => {
    while (left-- > 0) await once(drivers[n % drivers.length]!);
  };
  await Promise.all(Array.from({ length: 64 }, (_, n) => worker(n)));
  expect(granted).toBeGreaterThan(500);
  expect(cancelled).toBeGreaterThan(500);
  for (const key of keys) {
    await expectFree(server.client(), key);
    expect(await drivers[0]!.release(await take(drivers[0]!, key))).toBe(true);
  }
}, 180_000);

test('an abort at any point rejects with its reason, and leaves nothing', async () => {
  const proxy = await startProxy(server.port);
  const driver = await open(proxy.url);
  proxy.delay(10);
  const redis = server.client();
  await Promise.all(
    [0, 1, 5, 10, 15, 20, 25, 30, 40].flatMap((after) =>
      ([0, 5_000] as const).map(async (wait) => {
        const key = freshKey();
        const stop = new AbortController();
        const reason = new Error('enough');
        const asked = ask(driver, key, { wait, ttl: 60_000, signal: stop.signal });
        setTimeout(() => stop.abort(reason), after);
        const grant = await asked.catch((error) => {
          expect(error).toBe(reason);
          return null;
        });
        if (grant) expect(await driver.release(grant)).toBe(true);
        await expectFree(redis, key);
      }),
    ),
  );
  await proxy.close();
});

test('an abort in the local line and at its head, and while the connection is away', async () => {
  const proxy = await startProxy(server.port);
  const [holder, driver] = [await open(server.url), await open(proxy.url)];
  const redis = server.client();
  const key = freshKey();
  const held = await take(holder, key);
  const stops = Array.from({ length: 6 }, () => new AbortController());
  const { granted } = await queue(redis, driver, key, { signal: stops[0]!.signal });
  const asked = [granted, ...stops.slice(1).map(({ signal }) => take(driver, key, { wait: 20_000, signal }))];
  const reasons = asked.map((each) => reasonOf(each));
  for (const n of [3, 0]) {
    stops[n]!.abort(new Error(`enough ${n}`));
    expect((await reasons[n]!).message).toBe(`enough ${n}`);
  }
  proxy.refuse();
  proxy.reset();
  await sleep(30);
  for (const n of [1, 2, 4, 5]) {
    stops[n]!.abort(new Error(`enough ${n}`));
    expect((await reasons[n]!).message).toBe(`enough ${n}`);
  }
  await proxy.accept();
  await inLine(redis, key, 0, 5_000);
  expect(await holder.release(held)).toBe(true);
  await expectFree(redis, key);
  await proxy.close();
});

/** What went wrong while the server answered; a fault of one who had to wait for its answer is none of ours. */
class Faults {
  readonly #silences = watchSilences(server.client());
  readonly #seen: unknown[] = [];

  note(error: unknown): null {
    this.#seen.push(error);
    return null;
  }

  /** None but where the server was silent for `ms` or longer. */
  async expectNone(ms: number): Promise<void> {
    const longest = await this.#silences.stop();
    if (longest < ms) expect(this.#seen).toEqual([]);
    for (const error of this.#seen) expect(error).toBeInstanceOf(LockBackendError);
  }
}

/** Asks all the time; `stop` says how long the longest time without an answer was, in ms. */
function watchSilences(redis: Redis): { stop(): Promise<number> } {
  let stopped = false;
  let longest = 0;
  const asking = (async () => {
    while (!stopped) {
      const asked = performance.now();
      await redis.ping();
      await sleep(1);
      longest = Math.max(longest, performance.now() - asked);
    }
  })();
  return {
    async stop() {
      stopped = true;
      await asking;
      return longest;
    },
  };
}

test('contention is never a backend error: waits of a few ms on a busy key', async () => {
  const drivers = await openMany(4, server.url);
  const key = freshKey();
  const faults = new Faults();
  const note = (error: unknown) => faults.note(error);
  let stop = false;
  const busy = drivers.map(async (driver) => {
    while (!stop) {
      const grant = await ask(driver, key, { wait: 20 + Math.random() * 30 }).catch(note);
      if (!grant) continue;
      await sleep(3);
      await driver.release(grant);
    }
  });
  const impatient = drivers.flatMap((driver) =>
    Array.from({ length: 10 }, async () => {
      for (let n = 0; n < 40; n++) {
        const grant = await ask(driver, key, { wait: Math.random() * 25, ttl: 5_000 }).catch(note);
        if (grant) await driver.release(grant);
      }
    }),
  );
  await Promise.all(impatient);
  stop = true;
  await Promise.all(busy);
  await faults.expectNone(75);
  await expectFree(server.client(), key);
});

test('a deadline that falls together with the holder’s end is no backend error', async () => {
  const drivers = await openMany(10, server.url);
  const faults = new Faults();
  const outcomes = await Promise.all(
    Array.from({ length: 30 }, async () => {
      const key = freshKey();
      await take(drivers[0]!, key, { ttl: 400 });
      return Promise.allSettled(drivers.map((driver) => ask(driver, key, { wait: 400 - Math.random() * 3 })));
    }),
  );
  for (const outcome of outcomes.flat()) if (outcome.status === 'rejected') faults.note(outcome.reason);
  await faults.expectNone(120);
});

test('a process that was busy when its wait ran out is not told of a fault', async () => {
  const [holder, waiter] = [locks(server.url).mustOf(), locks(server.url).mustOf()];
  const lease = await holder.acquire('a');
  await waiter.tryAcquire('b');
  const { blockEventLoop } = await import('../../support/wait.js');
  for (const wait of [50, 120, 250]) {
    const asked = reasonOf(waiter.acquire('a', { wait }));
    await Promise.resolve();
    blockEventLoop(400);
    expect((await asked).code).toBe('LOCK_TIMEOUT');
  }
  await lease.release();
});
