import { afterEach, expect, jest, test } from '@jest/globals';
import { checkInfo } from '../../../src/drivers/redis/start-checks.js';
import { createApp, LockBackendError, lockProvider } from '../../../src/index.js';
import { runSource } from '../../support/process.js';
import { promote, startReplica } from '../../support/redis-replica.js';
import { type RedisServer, startRedis } from '../../support/redis-server.js';
import { sleep } from '../../support/wait.js';
import { closeAll, freshKey, open, reasonOf, take, timed } from './support/rig.js';

const servers: RedisServer[] = [];

afterEach(async () => {
  await closeAll();
  await Promise.all(servers.splice(0).map((server) => server.stop()));
  jest.restoreAllMocks();
});

async function start(options?: Parameters<typeof startRedis>[0]): Promise<RedisServer> {
  const server = await startRedis(options);
  servers.push(server);
  return server;
}

const info = (fields: Record<string, string>) =>
  Object.entries(fields)
    .map(([name, value]) => `${name}:${value}\r\n`)
    .join('');

test.each(['2.8.24', '5.0.7', '6.0.16', '6.1.9'])('version %s is refused by its number', (version) => {
  expect(() => checkInfo(info({ redis_version: version }), 'here')).toThrow(
    `it is version ${version}, and 6.2 or later is needed`,
  );
});

test.each(['6.2.0', '7.0.15', '7.2.4', '8.0.0', '10.1.0'])('version %s is taken', (version) => {
  expect(() => checkInfo(info({ redis_version: version, role: 'master' }), 'here')).not.toThrow();
});

test('an empty answer, as of a server that does not let us ask, is taken', () => {
  expect(() => checkInfo('', 'here')).not.toThrow();
});

test('an eviction policy that may evict a lock is warned of once a server', () => {
  const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
  for (const policy of ['noeviction', 'allkeys-lru', 'allkeys-lru', 'volatile-ttl']) {
    checkInfo(info({ redis_version: '7.0.0', maxmemory_policy: policy }), 'one');
  }
  checkInfo(info({ redis_version: '7.0.0', maxmemory_policy: 'volatile-lru' }), 'another');
  expect(warn).toHaveBeenCalledTimes(2);
  expect(warn.mock.calls[0]![0]).toContain('maxmemory-policy is allkeys-lru, use noeviction');
});

test('a server that is a replica for moments serves soon after each', async () => {
  const server = await start();
  const [driver, admin, key] = [await open(server.url), server.client(), freshKey()];
  const held = await take(driver, key, { ttl: 60_000 });
  const late: number[] = [];
  for (let round = 0; round < 5; round++) {
    // Of a primary that is not there: it keeps what it has.
    await admin.replicaof('127.0.0.1', 1);
    expect(await reasonOf(driver.extend(held, 60_000))).toBeInstanceOf(LockBackendError);
    await sleep(100);
    await admin.replicaof('NO', 'ONE');
    late.push((await timed(driver.ping())).ran);
    expect(await driver.extend(held, 60_000)).not.toBeNull();
  }
  expect(late.sort((a, b) => a - b)[2]).toBeLessThan(250);
});

test('a replica is refused, and taken as soon as it is promoted', async () => {
  const primary = await start();
  const replica = await startReplica(primary);
  servers.push(replica);
  const driver = await open(replica.url, true);
  const error = await reasonOf(driver.ping());
  const message = `lock: backend: Redis at 127.0.0.1:${replica.port}: it is a replica, and locks need the primary`;
  expect(error).toBeInstanceOf(LockBackendError);
  expect(error.message).toBe(message);
  expect(error.cause).toMatchObject({ message: 'it is a replica, and locks need the primary' });
  const provider = lockProvider({ provider: 'redis', redis: { url: replica.url } });
  const started = await reasonOf(createApp({ env: {} }).install(provider).start());
  expect(started).toBeInstanceOf(LockBackendError);
  expect(started.message).toBe(message);
  const waiting = take(driver, freshKey(), { wait: 20_000 });
  await promote(replica);
  expect(await driver.release(await waiting)).toBe(true);
});

test('a user that may not ask INFO is served', async () => {
  const server = await start();
  const rules = ['on', '>secret', '~lock:*', '&latchkey:*', '+@all', '-info', '-@dangerous'];
  await server.client().call('ACL', 'SETUSER', 'locker', ...rules);
  const driver = await open(`redis://locker:secret@127.0.0.1:${server.port}`);
  const grant = await take(driver, 'lock:{a}');
  expect(await driver.release(grant)).toBe(true);
  expect((await reasonOf(take(driver, 'other:{a}'))).message).toContain('NOPERM');
});

test('of an eviction policy each process is told once, however often it connects', async () => {
  const server = await start({ args: ['--maxmemory-policy', 'allkeys-lru'] });
  const worker = runSource(`
    import { redisDriver } from 'latchkey';
    process.on('warning', ({ name, code, message }) => send({ name, code, message }));
    for (let round = 0; round < 3; round++) {
      const drivers = await Promise.all([1, 2].map(() => redisDriver({ url: '${server.url}' })));
      for (const driver of drivers) await driver.ping();
      for (const driver of drivers) await driver.close();
    }
  `);
  expect(await worker.exited).toEqual({ code: 0, signal: null });
  expect(worker.messages).toEqual([
    {
      name: 'Warning',
      code: 'LATCHKEY_EVICTION',
      message: `Redis at 127.0.0.1:${server.port} may evict locks: maxmemory-policy is allkeys-lru, use noeviction`,
    },
  ]);
});
