import { afterEach, expect, test } from '@jest/globals';
import { createApp, lock, lockProvider } from '../../../src/index.js';
import { startProxy, type TcpProxy } from '../../support/proxy.js';
import { type RedisServer, startRedis } from '../../support/redis-server.js';
import { sleep, until } from '../../support/wait.js';
import { ask, closeAll, freshKey, locks, open, reasonOf, take } from './support/rig.js';

const servers: RedisServer[] = [];
let proxy: TcpProxy | undefined;

afterEach(async () => {
  await closeAll();
  await proxy?.close();
  await Promise.all(servers.splice(0).map((server) => server.stop()));
});

async function start(options?: Parameters<typeof startRedis>[0]): Promise<RedisServer> {
  const server = await startRedis(options);
  servers.push(server);
  return server;
}

/** The names of all keys, by database. */
async function keysIn(server: RedisServer, databases = [0, 3]): Promise<string[][]> {
  const client = server.client();
  const all: string[][] = [];
  for (const db of databases) {
    await client.select(db);
    all.push(await client.keys('*'));
  }
  return all;
}

const databasesOfOurs = async (server: RedisServer) => {
  const list = ((await server.client().client('LIST')) as string).split('\n');
  // Not by name: that may be refused by a server that is busy.
  return list.filter((line) => / sub=1 /.test(line)).map((line) => / db=(\d+) /.exec(line)![1]);
};

test('a database that there is not stops the start, and nothing is locked in another', async () => {
  const server = await start();
  const provider = lockProvider({ provider: 'redis', redis: { url: `${server.url}/99` } });
  const failed = await reasonOf(createApp({ env: {} }).install(provider).start());
  expect(failed).toMatchObject({ code: 'LOCK_BACKEND' });
  expect(failed.message).toMatch(/DB index is out of range/);
  for (const target of [`${server.url}/99`, { port: server.port, db: 16 }]) {
    const driver = await open(target, true);
    const error = await reasonOf(ask(driver, freshKey(), { wait: 500 }));
    expect(error.message).toMatch(/DB index is out of range/);
  }
  expect(await keysIn(server)).toEqual([[], []]);
});

test('a server that knows no SELECT stops the start, unless database 0 is meant', async () => {
  const server = await start({ config: ['rename-command SELECT ""'] });
  const error = await reasonOf((await open(`${server.url}/3`, true)).ping());
  expect(error.message).toMatch(/unknown command.*select/i);
  const driver = await open(`${server.url}/0`);
  expect(await driver.release(await take(driver, freshKey()))).toBe(true);
});

test('a database that is refused at a reconnect: no other is used, and the locks are back with the right', async () => {
  const server = await start();
  const operator = server.client();
  await operator.call('ACL', 'SETUSER', 'u', 'on', '>p', '+@all', '~*', '&*');
  const url = `${server.url.replace('//', '//u:p@')}/3`;
  const [holder, rival] = [locks(url).mustOf(), locks(url).mustOf()];
  const lease = await holder.acquire('k', { ttl: '60s' });
  expect(await rival.tryAcquire('k')).toBeNull();
  await operator.call('ACL', 'SETUSER', 'u', '-select');
  await operator.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
  await until(() => reasonOf(rival.tryAcquire('k')), 5_000, 'the fault');
  for (let i = 0; i < 2; i++) {
    const error = await reasonOf(rival.tryAcquire('k'));
    expect(error.code).toBe('LOCK_BACKEND');
    expect(error.message).toMatch(/its user lacks \+select|connection closed/);
  }
  expect((await keysIn(server))[0]).toEqual([]);
  await operator.call('ACL', 'SETUSER', 'u', '+select');
  await until(() => rival.tryAcquire('k').then((got) => got === null), 10_000, 'the locks');
  await until(async () => `${await databasesOfOurs(server)}` === '3,3', 10_000, 'both connections');
  expect(await lease.release()).toBe(true);
});

test('a connection that is made while a long script keeps Redis busy is in the right database, or not used', async () => {
  const server = await start({ args: ['--busy-reply-threshold', '50'] });
  proxy = await startProxy(server.port);
  proxy.delay(30);
  const holder = await open(`${server.url}/3`);
  const rival = await open(`${proxy.url}/3`);
  const key = freshKey();
  await take(holder, key, { ttl: 600_000 });
  const operator = server.client();
  const busy = `local t = redis.call('TIME') t = t[1] * 1000 + t[2] / 1000
    while true do local n = redis.call('TIME') if n[1] * 1000 + n[2] / 1000 - t > tonumber(ARGV[1]) then return 1 end end`;
  for (let round = 0; round < 6; round++) {
    const script = operator.eval(busy, 0, 300 + 60 * round);
    await sleep(60);
    proxy.reset();
    await script;
    await until(() => ask(rival, key).then((got) => got === null), 10_000, 'the rival to be back');
    expect(await databasesOfOurs(server)).toEqual(['3', '3']);
  }
  expect((await keysIn(server))[0]).toEqual([]);
}, 60_000);

test('the database of an app’s URL is the one used', async () => {
  const server = await start();
  const app = createApp({ env: { LOCK_REDIS_URL: `${server.url}/3` } }).install(lockProvider);
  await app.start();
  const lease = await lock.L().acquire('k');
  expect(await keysIn(server)).toEqual([[], ['lock:{k}']]);
  await lease.release();
  await app.stop();
});
