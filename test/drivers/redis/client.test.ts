import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { type Cluster, Redis } from 'ioredis';
import { LockConfigError, LockUsageError } from '../../../src/core/errors.js';
import { dial } from '../../../src/drivers/redis/client.js';
import { addBroken, bareModules } from '../../support/bare-package.js';
import { watchForLeaks } from '../../support/leaks.js';
import { runSource } from '../../support/process.js';
import { type RedisServer, startRedis } from '../../support/redis-server.js';
import { blockEventLoop, stopwatch, until } from '../../support/wait.js';
import {
  ask,
  busyLocks,
  closeAll,
  expectFree,
  freshKey,
  holdLeft,
  inLine,
  locks,
  open,
  queue,
  reasonOf,
  take,
} from './support/rig.js';
import { server, serverForAll } from './support/stage.js';

let guarded: RedisServer;

serverForAll();
beforeAll(async () => {
  guarded = await startRedis({ password: 'p@ss:w/rd%' });
});
afterEach(closeAll);
afterAll(() => guarded.stop());

/** That a driver locks, waits, and hands over. */
async function works(target: Parameters<typeof open>[0]): Promise<void> {
  const [one, two] = [await open(target), await open(target)];
  const key = freshKey();
  const held = await take(one, key, { wait: 1_000 });
  const waiting = take(two, key, { wait: 20_000 });
  await until(async () => (await one.inspect(key))?.waiters === 1, 5_000, 'the waiter to be in line');
  const watch = stopwatch();
  expect(await one.release(held)).toBe(true);
  const grant = await waiting;
  // By a message, and not by looking again.
  expect(watch.stop()).toBeLessThan(3_000);
  expect(await two.release(grant)).toBe(true);
}

describe('an address', () => {
  test('may be a URL, options, or both', async () => {
    await works(server.url);
    await works({ port: server.port });
    await works({ url: server.url, db: 3, protocol: 3 });
    const driver = await open({ url: `${server.url}/5` });
    const key = freshKey();
    await take(driver, key);
    const db5 = new Redis({ port: server.port, db: 5, disconnectTimeout: 0 });
    expect(await db5.exists(key)).toBe(1);
    expect(await server.client().exists(key)).toBe(0);
    db5.disconnect();
  });

  test('may hold a password of any characters', async () => {
    const encoded = encodeURIComponent('p@ss:w/rd%');
    await works(`redis://:${encoded}@127.0.0.1:${guarded.port}`);
    await works({ port: guarded.port, password: 'p@ss:w/rd%' });
  });

  test('may be a Unix socket', async () => {
    const dir = server.dir;
    const other = await startRedis({ args: ['--unixsocket', join(dir, 'redis.sock')] });
    await works(`unix://${join(dir, 'redis.sock')}`);
    await works({ path: join(dir, 'redis.sock') });
    await closeAll();
    await other.stop();
    const closed = await startRedis({ password: 'p@ss', args: ['--unixsocket', join(dir, 'closed.sock')] });
    await works(`unix://:p%40ss@${join(dir, 'closed.sock')}`);
    await works({ url: `unix://${join(dir, 'closed.sock')}`, password: 'p@ss' });
    await closeAll();
    await closed.stop();
  });

  test('in a URL beats the login and the database beside it', async () => {
    const encoded = encodeURIComponent('p@ss:w/rd%');
    await works({ url: `redis://:${encoded}@127.0.0.1:${guarded.port}/2`, password: 'another', db: 3 });
    const options = async (url: string) => {
      const client = await dial({ url, username: 'code', password: 'code' });
      client.disconnect();
      return 'redisOptions' in client.options ? client.options.redisOptions : client.options;
    };
    for (const url of [
      'redis://url:url@h',
      'unix://url:url@/h',
      'redis+sentinel://url:url@h/x',
      'redis+cluster://url:url@h',
    ])
      expect(await options(url)).toMatchObject({ username: 'url', password: 'url' });
  });

  test('of a server without RESP3 is served over a second connection', async () => {
    await works({ url: server.url, protocol: 2 });
  });

  test('cannot set a key prefix by its query', async () => {
    const error = await reasonOf(dial({ url: `${server.url}?keyPrefix=app:` }));
    expect(error).toBeInstanceOf(LockConfigError);
  });

  test('of a Cluster takes the options for the whole beside it, and those for each node', async () => {
    const natMap = { '10.0.0.1:7000': { host: 'a', port: 7000 } };
    const dnsLookup = () => {};
    const beside = { natMap, dnsLookup, slotsRefreshTimeout: 333, password: 'p', family: 6 };
    const { options } = (await dial({ url: 'redis+cluster://a:7000', ...beside })) as Cluster;
    expect(options).toMatchObject({ natMap, dnsLookup, slotsRefreshTimeout: 333 });
    expect(options.redisOptions).toMatchObject({ password: 'p', family: 6 });
  });

  test('of TLS may be told how by options beside it', async () => {
    const client = await dial({ url: 'rediss://h', tls: { servername: 'other' } });
    expect(client.options).toMatchObject({ host: 'h', tls: { servername: 'other' } });
    client.disconnect();
  });
});

describe('a client that is lent', () => {
  test('is left as it was: it saw no subscription, no script, and lives on', async () => {
    const lent = new Redis({
      port: server.port,
      keyPrefix: 'app:',
      stringNumbers: true,
      enableAutoPipelining: true,
      disconnectTimeout: 0,
    });
    await lent.set('x', 1);
    const events = lent.eventNames().length;
    await works(lent);
    await closeAll();
    expect(await lent.ping()).toBe('PONG');
    expect(lent.mode).toBe('normal');
    expect(lent.eventNames().length).toBe(events);
    expect(Object.keys(lent).some((name) => /acquire|release|extend/.test(name))).toBe(false);
    expect(await lent.client('LIST')).not.toContain('latchkey');
    lent.disconnect();
  });

  test('is sent nothing of ours, and keeps its listeners, scripts, name and options', async () => {
    const lent = new Redis({ port: server.port, connectionName: 'lender', disconnectTimeout: 0 });
    await lent.ping();
    const facts = () => ({
      own: Object.keys(lent),
      scripts: Object.keys((lent as unknown as { scriptsSet: object }).scriptsSet),
      listeners: lent.eventNames().map((name) => [name, lent.listenerCount(name)]),
      options: JSON.stringify(lent.options),
      status: lent.status,
      mode: lent.mode,
    });
    const sent: string[] = [];
    const { sendCommand } = lent;
    Object.defineProperty(lent, 'sendCommand', {
      configurable: true,
      value: function (this: Redis, ...args: Parameters<Redis['sendCommand']>) {
        sent.push(args[0].name);
        return sendCommand.apply(this, args);
      },
    });
    const before = facts();
    await works(lent);
    const list = ((await server.client().client('LIST')) as string).split('\n');
    expect(list.find((line) => line.includes(' name=lender '))).toMatch(/ sub=0 psub=0 /);
    expect(list.filter((line) => line.includes(' name=latchkey ') && / sub=1 /.test(line))).toHaveLength(2);
    await closeAll();
    expect(sent).toEqual([]);
    expect(await lent.ping()).toBe('PONG');
    expect(sent).toEqual(['ping']);
    expect(facts()).toEqual(before);
    lent.disconnect();
  });

  test('lends its login and its database', async () => {
    const lent = new Redis({ port: guarded.port, password: 'p@ss:w/rd%', db: 3, disconnectTimeout: 0 });
    const driver = await open(lent);
    const key = freshKey();
    await take(driver, key);
    expect(await lent.exists(key)).toBe(1);
    expect(await guarded.client().exists(key)).toBe(0);
    lent.disconnect();
  });

  test('over RESP2: two connections of ours, and a lease that counts from before the grant', async () => {
    const lent = new Redis({ port: server.port, protocol: 2, disconnectTimeout: 0 });
    const [holder, waiter] = [await open(lent), await open(lent)];
    const list = ((await server.client().client('LIST')) as string).split('\n');
    const own = list.filter((line) => line.includes(' name=latchkey '));
    expect(own.map((line) => / sub=(\d) /.exec(line)![1]).sort()).toEqual(['0', '0', '1', '1']);
    const key = freshKey();
    const held = await take(holder, key, { ttl: 60_000 });
    const { granted } = await queue(server.client(), waiter, key, { ttl: 20_000 });
    const released = holder.release(held);
    // Redis grants it now, and we read of it a second later.
    blockEventLoop(1_000);
    const grant = await granted;
    const left = await holdLeft(server.client(), key);
    expect(grant.validUntil).toBeLessThanOrEqual(performance.now() + left);
    expect(grant.validUntil).toBeGreaterThan(performance.now() + 5_000);
    expect(await released).toBe(true);
    lent.disconnect();
  });

  test('with numbers as text: our fences are numbers', async () => {
    const lent = new Redis({ port: server.port, stringNumbers: true, disconnectTimeout: 0 });
    const driver = await open(lent);
    const key = freshKey();
    const grant = await take(driver, key);
    expect(Number.isSafeInteger(grant.fence)).toBe(true);
    expect(await driver.inspect(key)).toMatchObject({ waiters: 0, holders: [{ fence: grant.fence }] });
    expect(await driver.extend(grant, 30_000)).toMatchObject({ fence: grant.fence });
    expect(await driver.release(grant)).toBe(true);
    lent.disconnect();
  });

  test('that pipelines by itself: a crowd still gets the lock one by one, in the order of the fences', async () => {
    const lent = new Redis({ port: server.port, enableAutoPipelining: true, disconnectTimeout: 0 });
    const lockers = [1, 2, 3].map(() => locks(lent).mustOf());
    let inside = 0;
    let last = 0;
    const jobs = Array.from({ length: 60 }, (_, i) =>
      lockers[i % 3]!.with('crowd', (lease) => {
        expect(++inside).toBe(1);
        expect(lease.fence).toBeGreaterThan(last);
        last = lease.fence;
        inside--;
      }),
    );
    await Promise.all(jobs);
    await expectFree(server.client(), 'lock:{crowd}');
    lent.disconnect();
  });

  test('does not lend its time limit for commands: a server that pauses for a moment is no outage', async () => {
    const lent = new Redis({ port: server.port, commandTimeout: 40, disconnectTimeout: 0 });
    const driver = await open(lent);
    const started = performance.now();
    await server.ask((client) => client.call('CLIENT', 'PAUSE', '300', 'ALL'));
    expect(await driver.release(await take(driver, freshKey(), { wait: 10_000 }))).toBe(true);
    expect(performance.now() - started).toBeGreaterThan(290);
    lent.disconnect();
  });

  test('does not lend its key prefix to the locks', async () => {
    const lent = new Redis({ port: server.port, keyPrefix: 'app:', disconnectTimeout: 0 });
    const locker = locks(lent).mustOf();
    await locker.acquire('prefixed');
    expect(await server.client().exists('lock:{prefixed}')).toBe(1);
    expect(await server.client().keys('app:*prefixed*')).toEqual([]);
    await closeAll();
    lent.disconnect();
  });

  test('may be unconnected, lazy, or speak RESP2', async () => {
    for (const options of [{ lazyConnect: true }, { protocol: 2 as const }, { retryStrategy: () => null }]) {
      const lent = new Redis({ port: server.port, disconnectTimeout: 0, ...options });
      await works(lent);
      await closeAll();
      lent.disconnect();
    }
  });
});

describe('a wrong argument', () => {
  test.each([['text'], [null], [5]])('%p is refused', async (value) => {
    expect(await reasonOf(dial(value as never))).toBeInstanceOf(LockUsageError);
  });

  test.each([[true], [() => {}], [Symbol('x')], [[]], [{ url: 5 }], [{ url: null }]])(
    '%p is a LockUsageError',
    async (value) => {
      expect(await reasonOf(dial(value as never))).toMatchObject({ code: 'LOCK_USAGE' });
    },
  );

  test.each([
    { db: 'cache' },
    { db: Number.NaN },
    { db: -1 },
    { db: 1.5 },
    { port: 99_999 },
    { port: 'redis' },
  ])('%j is a LockUsageError that names the option, and not database 0', async (options) => {
    const error = await reasonOf(dial({ port: server.port, ...options }));
    expect(error).toBeInstanceOf(LockUsageError);
    expect((error as Error).message).toContain(`\`redis.${Object.keys(options)[0]}\``);
  });

  test.each([
    { sentinels: [{ host: 's', port: 26_379 }], name: 'm' },
    { path: '/run/redis.sock' },
    { host: 'other' },
    { port: 6_380 },
  ])('%j beside a URL is a LockUsageError: one of the two would be ignored', async (beside) => {
    for (const url of ['redis://h:1', 'redis+sentinel://s/m', 'redis+cluster://h']) {
      const error = await reasonOf(dial({ url, ...beside }));
      expect(error).toMatchObject({ code: 'LOCK_USAGE', option: `redis.${Object.keys(beside)[0]}` });
      expect(error.message).toContain('left out beside `url`');
    }
  });

  test('what is null beside a URL counts as left out, as in the defaults of ioredis', async () => {
    const client = await dial({ url: 'redis://h:1', path: null, sentinels: null });
    expect(client.options).toMatchObject({ host: 'h', port: 1, path: null });
    client.disconnect();
  });

  test.each([{ db: 1 }, { db: '2' }, { redisOptions: { db: 1 } }])(
    '%j for a Cluster is a LockUsageError: it has no databases',
    async (beside) => {
      const error = await reasonOf(dial({ url: 'redis+cluster://h', ...beside }));
      expect(error).toMatchObject({ code: 'LOCK_USAGE', option: 'redis.db' });
    },
  );

  test('the database 0 is the one that a Cluster has', async () => {
    const client = await dial({ url: 'redis+cluster://h', db: 0 });
    client.disconnect();
  });

  test('that is a lent client without a database is a LockUsageError', async () => {
    const lent = new Redis({ port: server.port, db: 'cache' as never, lazyConnect: true });
    expect(await reasonOf(dial(lent))).toBeInstanceOf(LockUsageError);
    lent.disconnect();
  });

  test('that is a URL is not shown: a password may stand in it', async () => {
    const error = await reasonOf(dial('redis://:secret@127.0.0.1' as never));
    expect(error).toMatchObject({ code: 'LOCK_USAGE', option: 'redis' });
    expect(inspect(error)).not.toContain('secret');
  });

  test.each(['host', 'path'])('that is a URL as the %s is not shown either', async (option) => {
    const error = await reasonOf(dial({ [option]: 'redis://:secret@127.0.0.1' }));
    expect(error).toMatchObject({ code: 'LOCK_USAGE', option: `redis.${option}` });
    expect(inspect(error)).not.toContain('secret');
  });

  test.each([
    ['http://h'],
    ['h:6379'],
    [''],
    ['redis+sentinel://h:1'],
    ['redis+cluster://'],
    ['redis://:%zz@h:x'],
  ])('the URL %p is refused', async (url) => {
    expect(await reasonOf(dial({ url }))).toBeInstanceOf(LockConfigError);
  });
});

describe('closing', () => {
  test('with holders, waiters here and there, and commands on their way leaves nothing, and nobody hanging', async () => {
    const watch = watchForLeaks();
    const other = await startRedis();
    const driver = await open(other.url);
    const key = freshKey();
    await take(driver, key, { wait: 1_000, ttl: 60_000 });
    const here = [1, 2, 3].map(() => reasonOf(ask(driver, key, { wait: 30_000 })));
    const holder = await open(other.url);
    const remote = freshKey();
    await take(holder, remote);
    await queue(other.client(), driver, remote);
    const there = [1, 2].map(() => reasonOf(ask(driver, remote, { wait: 30_000, mode: 'read' })));
    const flying = [1, 2, 3].map((n) =>
      reasonOf(ask(driver, freshKey(`${n}`), { wait: 1_000, ttl: 60_000 })),
    );
    const closing = stopwatch();
    await driver.close();
    for (const error of await Promise.all([...here, ...there, ...flying]))
      expect(error.code).toBe('LOCK_CLOSED');
    expect(closing.stop()).toBeLessThan(2_000);
    await inLine(other.client(), remote, 0);
    for (const asked of [driver.inspect(key), driver.ping(), ask(driver, key)]) {
      expect((await reasonOf(asked)).code).toBe('LOCK_CLOSED');
    }
    await driver.close();
    await closeAll();
    expect(await busyLocks(other.client())).toEqual([key, remote].sort());
    await other.stop();
    await watch.assertNone();
  });

  test('a closed driver’s process ends by itself, though Redis is stopped', async () => {
    const other = await startRedis();
    const worker = runSource(`
      import { redisDriver } from 'latchkey';
      const driver = await redisDriver({ url: '${other.url}' });
      const base = { key: 'lock:{a}', mode: 'write', ttl: 60000, retryInterval: 100, meta: {} };
      await driver.acquire({ ...base, token: 'a', wait: 1000 });
      const waiting = [1, 2, 3].map((n) => driver.acquire({ ...base, token: 'w' + n, wait: 60000 }).catch(() => {}));
      send({ up: true });
      for await (const _ of received) break;
      await driver.close();
      await Promise.all(waiting);
      send({ closed: true });
      process.stdin.destroy();
    `);
    await worker.waitFor(({ up }) => up === true);
    other.pause();
    worker.send({});
    await worker.waitFor(({ closed }) => closed === true);
    expect(await worker.exited).toMatchObject({ code: 0 });
    other.resume();
    await other.stop();
  });
});

describe('an inspection', () => {
  test('shows readers one by one, counts all who wait, and shows no token', async () => {
    const [one, two] = [await open(server.url), await open(server.url)];
    const key = freshKey();
    const redis = server.client();
    const grants = [
      await take(one, key, { mode: 'read', ttl: 30_000, meta: { who: 'one' } }),
      await take(two, key, { mode: 'read', ttl: 60_000, meta: { who: 'two' } }),
    ];
    const { granted } = await queue(redis, one, key);
    const { granted: local } = await queue(redis, one, key);
    const info = (await two.inspect(key))!;
    expect(info).toMatchObject({ key, mode: 'read', waiters: 2 });
    expect(info.waiting.map(({ mode }) => mode)).toEqual(['write', 'write']);
    expect((await one.inspect(key))!.waiters).toBe(2);
    const holders = info.holders.sort((a, b) => a.fence - b.fence);
    expect(holders.map(({ meta }) => meta.who)).toEqual(['one', 'two']);
    expect(holders[0]!.ttl).toBeLessThanOrEqual(30_000);
    expect(holders[1]!.ttl).toBeGreaterThan(30_000);
    for (const { token } of grants) expect(JSON.stringify(info)).not.toContain(token);
    await one.release(grants[0]!);
    await two.release(grants[1]!);
    await one.release(await granted);
    await one.release(await local);
    await expectFree(redis, key);
    expect(await one.inspect(key)).toBeNull();
  });
});

describe('without ioredis', () => {
  let modules: string;

  beforeAll(async () => {
    modules = await bareModules(['inversify', 'reflect-metadata', 'convict', 'smol-toml']);
  });

  afterAll(() => rm(join(modules, '..'), { recursive: true }));

  const tell = () =>
    runSource(`
      const { redisDriver, LockRegistry } = await import('${modules}/latchkey/dist/index.js');
      const registry = new LockRegistry();
      const memory = await registry.mustOf().with('a', () => 'works');
      await registry.close();
      const error = await redisDriver({ url: 'redis://:secret@127.0.0.1:1' }).catch((error) => error);
      send({ memory, name: error.name, message: error.message, cause: error.cause.code ?? error.cause.message });
    `).waitFor(() => true);

  test('memory works, and Redis is a LockConfigError that says what to install', async () => {
    expect(await tell()).toEqual({
      memory: 'works',
      name: 'LockConfigError',
      message: 'lock: config: the driver "redis" needs the package ioredis: npm install ioredis',
      cause: 'ERR_MODULE_NOT_FOUND',
    });
  });

  test('but with one that breaks, Redis is a LockBackendError with its cause', async () => {
    await addBroken(modules, 'ioredis');
    expect(await tell()).toMatchObject({ name: 'LockBackendError', cause: 'broken on purpose' });
  });
});
