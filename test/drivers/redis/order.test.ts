import { expect, test } from '@jest/globals';
import type { Grant, LockDriver, LockMode } from '../../../src/lease/driver.js';
import { runSource, type Worker } from '../../support/process.js';
import { sleep, stopwatch, until } from '../../support/wait.js';
import { ask, expectFree, freshKey, open, openMany, queue, take, waitersOf } from './support/rig.js';
import { redis, server, stageForAll, workers } from './support/stage.js';

stageForAll();

/** A process with ten drivers; each waits when told to, says its fence when it is granted, and releases. */
function crew(key: string): Worker {
  const worker = runSource(`
    import { redisDriver } from 'latchkey';
    const drivers = await Promise.all(Array.from({ length: 10 }, () => redisDriver({ url: '${server.url}' })));
    await Promise.all(drivers.map((driver) => driver.ping()));
    send({ up: true });
    const base = { key: '${key}', ttl: 20000, wait: 90000, retryInterval: 100, meta: {}, mode: 'write' };
    for await (const { place } of received) {
      const driver = drivers.pop();
      driver.acquire({ ...base, token: 'waiter-' + place }).then(async (grant) => {
        send({ place, fence: grant.fence });
        await driver.release(grant);
      });
    }
  `);
  workers.push(worker);
  return worker;
}

test('fifty waiters of five processes are served in the order of queueing', async () => {
  const key = freshKey();
  const crews = Array.from({ length: 5 }, () => crew(key));
  const holder = await open(server.url);
  const held = await take(holder, key, { ttl: 120_000 });
  await Promise.all(crews.map((worker) => worker.waitFor(({ up }) => up === true)));
  for (let place = 0; place < 50; place++) {
    crews[place % 5]!.send({ place });
    await until(async () => (await waitersOf(redis, key)) > place, 20_000, `number ${place} in line`);
  }
  await holder.release(held);
  const served = () => crews.flatMap(({ messages }) => messages.filter(({ place }) => place !== undefined));
  await until(() => served().length === 50, 40_000);
  const order = served().sort((one, other) => Number(one.fence) - Number(other.fence));
  expect(order.map(({ place }) => place)).toEqual(Array.from({ length: 50 }, (_, place) => place));
  expect(order[0]!.fence).toBeGreaterThan(held.fence);
  await expectFree(redis, key);
}, 120_000);

test('a reader behind a waiting writer of another process waits for it', async () => {
  const [reading, writing, late] = (await openMany(3, server.url)) as [LockDriver, LockDriver, LockDriver];
  const key = freshKey();
  const inside = await take(reading, key, { mode: 'read' });
  const writer = await queue(redis, writing, key);
  expect(await ask(late, key, { mode: 'read' })).toBeNull();
  const reader = await queue(redis, late, key, { mode: 'read' });
  await reading.release(inside);
  const written = await writer.granted;
  let entered = false;
  void reader.granted.then(() => {
    entered = true;
  });
  await sleep(100);
  expect(entered).toBe(false);
  await writing.release(written);
  const read = await reader.granted;
  expect(read.fence).toBeGreaterThan(written.fence);
  await late.release(read);
});

test('a run of readers enters together, and the writer behind them when the last has left', async () => {
  const drivers = await openMany(24, server.url);
  const key = freshKey();
  const held = await take(drivers[23]!, key);
  const modes = [...Array<LockMode>(15).fill('read'), 'write', ...Array<LockMode>(7).fill('read')] as const;
  const line: Promise<Grant>[] = [];
  for (const [i, mode] of modes.entries())
    line.push((await queue(redis, drivers[i]!, key, { mode: mode as LockMode })).granted);
  const inside = new Set<number>();
  for (const [i, granted] of line.entries()) void granted.then(() => inside.add(i));

  await drivers[23]!.release(held);
  const first = await Promise.all(line.slice(0, 15));
  await sleep(100);
  expect(inside.size).toBe(15);
  for (const [i, grant] of first.entries()) {
    expect(inside.has(15)).toBe(false);
    await drivers[i]!.release(grant);
  }
  const written = await line[15]!;
  await sleep(100);
  expect(inside.size).toBe(16);
  await drivers[15]!.release(written);
  const rest = await Promise.all(line.slice(16));
  const fences = [...first, written, ...rest].map(({ fence }) => fence);
  expect(fences).toEqual([...new Set(fences)].sort((one, other) => one - other));
  await Promise.all(rest.map((grant, i) => drivers[16 + i]!.release(grant)));
  await expectFree(redis, key);
});

test('in a random run few are served before whoever asks, reader or writer', async () => {
  const drivers = await openMany(10, server.url);
  const key = freshKey();
  const inside = { read: 0, write: 0 };
  const served = { read: 0, write: 0 };
  let most = 0;
  const work = async (driver: LockDriver) => {
    for (let job = 0; job < 25; job++) {
      const mode = Math.random() < 0.6 ? 'read' : 'write';
      const before = served.read + served.write;
      const grant = await take(driver, key, { mode, wait: 20_000 });
      most = Math.max(most, served.read + served.write - before);
      served[mode]++;
      expect(inside.write + (mode === 'write' ? inside.read : 0)).toBe(0);
      inside[mode]++;
      await sleep(Math.random() * 3);
      inside[mode]--;
      await driver.release(grant);
    }
  };
  await Promise.all(drivers.map(work));
  expect(served.read + served.write).toBe(250);
  expect(served.read).toBeGreaterThan(80);
  expect(served.write).toBeGreaterThan(50);
  // Nine stand before it at most, and each of them may be served while its asking is on its way.
  expect(most).toBeLessThan(60);
  await expectFree(redis, key);
});

test('nine contenders with a ttl of 1 s who never release all obtain it within 10 s, in order', async () => {
  const drivers = await openMany(9, server.url);
  const key = freshKey();
  const watch = stopwatch();
  const granted: Promise<Grant>[] = [take(drivers[0]!, key, { ttl: 1_000 })];
  await granted[0];
  for (const driver of drivers.slice(1))
    granted.push((await queue(redis, driver, key, { ttl: 1_000 })).granted);
  const fences = (await Promise.all(granted)).map(({ fence }) => fence);
  expect(watch.stop()).toBeLessThan(10_500);
  expect(new Set(fences).size).toBe(9);
  // Whoever stood still for its ttl has lost its turn, and has another one after the others.
  if (watch.longestStall < 400) expect(fences).toEqual([...fences].sort((one, other) => one - other));
});
