import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { startProxy } from '../../support/proxy.js';
import { type RedisServer, startRedis } from '../../support/redis-server.js';
import { blockEventLoop, sleep, stopwatch, until } from '../../support/wait.js';
import { closeAll, freshKey, holdLeft, inLine, open, queue, take } from './support/rig.js';

let server: RedisServer;

beforeEach(async () => {
  // As a proxy does, or a service that offers less than Redis: ioredis falls back to RESP2 without a word.
  server = await startRedis({ config: ['rename-command HELLO ""'] });
});
afterEach(async () => {
  await closeAll();
  await server.stop();
});

const ours = async () => {
  const list = ((await server.client().client('LIST')) as string).split('\n');
  return list.filter((line) => line.includes(' name=latchkey '));
};
const subscriptions = async () => (await ours()).map((line) => / sub=(\d) /.exec(line)![1]).sort();

test('a server that knows no HELLO is served over two connections, by messages', async () => {
  const [one, two] = [await open(server.url), await open(server.url)];
  expect(await subscriptions()).toEqual(['0', '0', '1', '1']);
  const key = freshKey();
  const held = await take(one, key, { ttl: 60_000 });
  const { granted } = await queue(server.client(), two, key, { ttl: 60_000 });
  const watch = stopwatch();
  await one.release(held);
  await granted;
  expect(watch.stop()).toBeLessThan(3_000);
});

test('a grant that is pushed is claimed once more, for the order of two connections says nothing', async () => {
  const [one, two] = [await open(server.url), await open(server.url)];
  const key = freshKey();
  // So that every script is known.
  await one.release(await take(one, key));
  const held = await take(one, key, { ttl: 60_000 });
  const { granted } = await queue(server.client(), two, key, { ttl: 20_000 });
  await server.resetStats();
  const released = one.release(held);
  // Redis grants it now, and we read of it a second later.
  blockEventLoop(1_000);
  const grant = await granted;
  const left = await holdLeft(server.client(), key);
  expect(grant.validUntil).toBeLessThanOrEqual(performance.now() + left);
  expect(grant.validUntil).toBeGreaterThan(performance.now() + 15_000);
  await released;
  const { evalsha, publish } = await server.commandStats();
  expect([evalsha, publish]).toEqual([2, 1]);
});

test('a waiter whose process is gone is skipped: its channel has no subscriber', async () => {
  const link = await startProxy(server.port);
  const [one, gone, two] = [await open(server.url), await open(link.url), await open(server.url)];
  const key = freshKey();
  const held = await take(one, key, { ttl: 60_000 });
  await queue(server.client(), gone, key, { ttl: 60_000 });
  const { granted } = await queue(server.client(), two, key, { ttl: 60_000 });
  await link.close();
  await until(async () => (await ours()).length === 4, 5_000, 'the loss');
  const watch = stopwatch();
  await one.release(held);
  await granted;
  expect(watch.stop()).toBeLessThan(3_000);
});

test('a subscriber that is lost alone is made anew: commands go on, and nobody is forgotten', async () => {
  const [one, two] = [await open(server.url), await open(server.url)];
  const key = freshKey();
  const held = await take(one, key, { ttl: 60_000 });
  const { granted } = await queue(server.client(), two, key, { ttl: 60_000 });
  await server.client().call('CLIENT', 'KILL', 'TYPE', 'pubsub');
  const other = freshKey();
  expect(await two.release(await take(two, other))).toBe(true);
  await until(async () => (await subscriptions()).join() === '0,0,1,1', 5_000, 'the subscriptions');
  await inLine(server.client(), key, 1);
  const watch = stopwatch();
  await one.release(held);
  await granted;
  expect(watch.stop()).toBeLessThan(3_000);
});

test('a subscriber that falls silent is noticed within seconds, though nothing is sent to it', async () => {
  const link = await startProxy(server.port);
  const [one, two] = [await open(server.url), await open(link.url)];
  const key = freshKey();
  const held = await take(one, key, { ttl: 60_000 });
  const { granted } = await queue(server.client(), two, key, { ttl: 60_000 });
  link.blackhole();
  await sleep(3_500);
  link.passThrough();
  await until(() => two.ping().then(() => true), 10_000, 'the connections');
  const watch = stopwatch();
  await one.release(held);
  await granted;
  expect(watch.stop()).toBeLessThan(3_000);
  await closeAll();
  await link.close();
}, 40_000);
