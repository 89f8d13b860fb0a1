import { beforeEach, expect, test } from '@jest/globals';
import { sleep } from '../../support/wait.js';
import {
  expectFree,
  freshKey,
  inLine,
  locks,
  open,
  openMany,
  queue,
  take,
  timed,
  waitersOf,
} from './support/rig.js';
import { redis, server, stageForAll } from './support/stage.js';

stageForAll();

beforeEach(async () => {
  // Every script is known to the server from now on.
  const driver = await open(server.url);
  const key = freshKey();
  const grant = await take(driver, key);
  await driver.extend(grant, 1_000);
  await driver.release(grant);
});

/** How many scripts clients have run since `resetStats`. */
async function scriptsRun(): Promise<number> {
  const { evalsha = 0, eval: evals = 0 } = await server.commandStats();
  return evalsha + evals;
}

test('a hold without contention is two commands, and nothing else', async () => {
  const driver = await open(server.url);
  const key = freshKey();
  await server.resetStats();
  for (let hold = 0; hold < 10; hold++) await driver.release(await take(driver, key, { wait: 1_000 }));
  expect(await scriptsRun()).toBe(20);
  expect(await server.commandStats()).not.toHaveProperty('publish');
});

test.each([1, 10, 100])('a contended hold is two commands, with %i in line', async (length) => {
  const drivers = await openMany(length + 1, server.url);
  const key = freshKey();
  await server.resetStats();
  const started = performance.now();
  const held = await take(drivers[0]!, key, { ttl: 60_000 });
  const line = drivers.slice(1).map(async (driver) => {
    const grant = await take(driver, key, { ttl: 60_000, wait: 60_000 });
    await driver.release(grant);
  });
  while ((await waitersOf(redis, key)) < length) await sleep(10);
  await drivers[0]!.release(held);
  await Promise.all(line);
  const { publish } = await server.commandStats();
  expect(publish).toBe(length);
  const perHold = (await scriptsRun()) / (length + 1);
  // Who still waits after 4 s looks.
  expect(perHold).toBeLessThan(2.1 + Math.floor((performance.now() - started) / 4_000));
  await expectFree(redis, key);
});

test('a waiter that idles looks every few seconds only', async () => {
  const drivers = await openMany(11, server.url);
  const key = freshKey();
  const held = await take(drivers[0]!, key, { ttl: 60_000 });
  const line = [];
  for (const driver of drivers.slice(1)) line.push(await queue(redis, driver, key, { ttl: 60_000 }));
  await server.resetStats();
  await sleep(4_000);
  const looks = await scriptsRun();
  expect(looks).toBeLessThanOrEqual(10 * 3);
  await drivers[0]!.release(held);
  for (const [i, { granted }] of line.entries()) await drivers[i + 1]!.release(await granted);
});

test('a waiter far back in the queue that hears nothing looks after 5 s, and not much sooner', async () => {
  const [holder, waiter] = [await open(server.url), await open(server.url)];
  const key = freshKey();
  await take(holder, key, { ttl: 60_000 });
  const before = await open(server.url);
  for (let i = 0; i < 40; i++) take(before, key, { ttl: 60_000, wait: 60_000 }).catch(() => {});
  await inLine(redis, key, 40);
  const { granted } = await queue(redis, waiter, key, { ttl: 60_000 });
  const waited = timed(granted);
  // Nobody looks, and nobody is told.
  await before.close();
  await redis.del(key);
  const { ms, ran, value } = await waited;
  expect(ms).toBeGreaterThan(3_500);
  expect(ran).toBeLessThan(5_000 + 1_500);
  await waiter.release(value!);
});

test('the renewals of a hundred leases of one process go out together', async () => {
  const locker = locks(server.url).mustOf();
  const keys = Array.from({ length: 100 }, (_, i) => `job-${i}`);
  const leases = await Promise.all(keys.map((key) => locker.acquire(key, { ttl: 3_000, autoRenew: true })));
  await server.resetStats();
  await sleep(4_500);
  const rounds = await scriptsRun();
  // Each of them has been renewed every second.
  expect(leases.every(({ held }) => held)).toBe(true);
  expect(rounds).toBeGreaterThanOrEqual(3);
  expect(rounds).toBeLessThan(40);
  await Promise.all(leases.map((lease) => lease.release()));
});
