import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { Redis } from 'ioredis';
import { createApp, lockProvider } from '../../../src/index.js';
import { type RedisServer, startRedis } from '../../support/redis-server.js';
import { stopwatch, until } from '../../support/wait.js';
import { ask, closeAll, open, reasonOf, take } from './support/rig.js';

let server: RedisServer;
let operator: Redis;
let users = 0;

beforeAll(async () => {
  server = await startRedis();
  operator = server.client();
});
afterEach(async () => {
  await closeAll();
  jest.restoreAllMocks();
});
afterAll(() => server.stop());

/** The URL of a user with these rules, who may use the keys and channels of the locks. */
async function userWith(...rules: string[]): Promise<{ url: string; name: string }> {
  const name = `user${users++}`;
  await operator.call('ACL', 'SETUSER', name, 'on', '>secret', '~lock:*', '&latchkey:*', ...rules);
  return { name, url: server.url.replace('//', `//${name}:secret@`) };
}

const NEEDED = [
  '+eval',
  '+evalsha',
  '+ping',
  '+subscribe',
  '+publish',
  '+pubsub',
  '+time',
  '+exists',
  '+hget',
  '+hmget',
  '+hscan',
  '+hset',
  '+hdel',
  '+pexpire',
];

const faultOf = async (url: string) => (await reasonOf((await open(url, true)).ping())).message;

describe('a user who lacks a right', () => {
  test('stops the start by an error that names it, whichever it is', async () => {
    const faults = NEEDED.map(async (right) => {
      const { url } = await userWith('+@all', right.replace('+', '-'));
      return [right, await faultOf(url)];
    });
    const address = `127.0.0.1:${server.port}`;
    for (const [right, message] of await Promise.all(faults))
      expect(message).toBe(`lock: backend: Redis at ${address}: its user lacks ${right}`);
  });

  test('is told of all that are missing at once', async () => {
    const { url } = await userWith('+@all', '-hset', '-publish', '-ping');
    const message = await faultOf(url);
    for (const right of ['+hset', '+publish', '+ping']) expect(message).toContain(right);
  });

  test('so too where it is the channels', async () => {
    const { url } = await userWith('+@all', 'resetchannels', '&other:*');
    expect(await faultOf(url)).toMatch(/its user lacks &latchkey:\*$/);
  });

  test('so too where it is SELECT, if a database is named', async () => {
    const { url } = await userWith('+@all', '-select');
    expect(await faultOf(`${url}/2`)).toMatch(/its user lacks \+select$/);
    const driver = await open(url);
    expect(await driver.release(await take(driver, 'lock:{a}'))).toBe(true);
  });

  test('does not start an app that would find out when somebody waits', async () => {
    const { url } = await userWith('+@all', '-publish');
    const provider = lockProvider({ provider: 'redis', redis: { url } });
    const error = await reasonOf(createApp({ env: {} }).install(provider).start());
    expect(error.code).toBe('LOCK_BACKEND');
    expect(error.message).toContain('its user lacks +publish');
    expect(error.message).not.toContain('secret');
  });

  test('is served as soon as it has it', async () => {
    const { url, name } = await userWith('+@all', '-hset');
    const driver = await open(url, true);
    await reasonOf(driver.ping());
    await operator.call('ACL', 'SETUSER', name, '+hset');
    await until(() => driver.ping().then(() => true), 5_000, 'ping() to be answered');
    expect(await driver.release(await take(driver, 'lock:{a}'))).toBe(true);
  });
});

test('a user with no more than these rights is served, waits, and is handed the lock', async () => {
  // Of ioredis: that it may not ask INFO.
  const warn = jest.spyOn(console, 'warn').mockImplementation(() => {});
  const { url } = await userWith('-@all', ...NEEDED);
  const [one, two] = [await open(url), await open(url)];
  const held = await take(one, 'lock:{least}', { ttl: 60_000 });
  const waiting = take(two, 'lock:{least}', { ttl: 60_000, wait: 20_000 });
  await until(async () => (await one.inspect('lock:{least}'))?.waiters === 1, 10_000, 'the waiter');
  expect(await one.extend(held, 50_000)).not.toBeNull();
  const watch = stopwatch();
  expect(await one.release(held)).toBe(true);
  const grant = await waiting;
  expect(watch.stop()).toBeLessThan(3_000);
  expect(await two.revoke!('lock:{least}', grant.fence)).toBe(true);
  expect((await reasonOf(take(one, 'other:{a}'))).message).toContain('NOPERM');
  expect(await ask(one, 'lock:{least}')).not.toBeNull();
  expect(warn.mock.calls.every(([text]) => `${text}`.includes('INFO'))).toBe(true);
});

test('looking whether there are all rights changes nothing, also where that very key is locked', async () => {
  const driver = await open(server.url);
  const grant = await take(driver, 'lock:{latchkey:probe}', { ttl: 60_000 });
  const before = await operator.hgetall('lock:{latchkey:probe}');
  await open(server.url);
  expect(await operator.hgetall('lock:{latchkey:probe}')).toEqual(before);
  expect(await operator.pttl('lock:{latchkey:probe}')).toBeGreaterThan(86_400_000);
  expect(await driver.release(grant)).toBe(true);
});
