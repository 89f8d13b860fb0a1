import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { LockBackendError } from '../../../src/core/errors.js';
import { redisDriver } from '../../../src/drivers/redis/driver.js';
import type { RedisOptions } from '../../../src/drivers/redis/options.js';
import { freePort } from '../../support/port.js';
import { runSource } from '../../support/process.js';
import { startRedis } from '../../support/redis-server.js';
import { blockEventLoop, sleep, until } from '../../support/wait.js';
import { ask, closeAll, freshKey, open, queue, reasonOf, take, timed, waitersOf } from './support/rig.js';
import { proxy, redis, server, stageForAll } from './support/stage.js';

let mute: Server;
let mutePort: number;
let closedPort: number;

stageForAll({ proxied: true });

beforeAll(async () => {
  closedPort = await freePort();
  // Accepts, and never says a word.
  const sockets = new Set<Socket>();
  mute = createServer((socket) => {
    sockets.add(socket.resume());
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
  });
  mute.on('close', () => {
    for (const socket of sockets) socket.destroy();
  });
  await once(mute.listen(0, '127.0.0.1'), 'listening');
  mutePort = (mute.address() as AddressInfo).port;
});

afterAll(() => void mute.close());

// What ioredis asks sentinels with leaves a timer of 2 s behind.
const sentinelTimers = async () => {
  await closeAll();
  await sleep(1_500);
};

const ours = async () => {
  const list = (await redis.client('LIST')) as string;
  return list.split('\n').filter((line) => line.includes(' name=latchkey '));
};

describe('a password is never shown', () => {
  const secret = 'hush-hush';

  test('in what is said of a server that refuses it, or of one that wants it', async () => {
    const guarded = await startRedis({ password: 'other' });
    const targets = [
      { url: `redis://:${secret}@127.0.0.1:${guarded.port}` },
      { url: `redis://someone:${secret}@127.0.0.1:${guarded.port}`, protocol: 2 },
      { port: guarded.port, password: secret },
      { port: server.port, username: 'someone', password: secret },
    ];
    const errors = targets.map(async (target) =>
      reasonOf(ask(await open(target, true), freshKey(), { wait: 3_000 })),
    );
    const unknown = reasonOf((await open({ port: guarded.port }, true)).ping());
    for (const error of await Promise.all(errors)) {
      expect(error).toBeInstanceOf(LockBackendError);
      expect(error.message).toMatch(/^lock: backend: Redis at \S+:\d+: WRONGPASS/);
      expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(secret);
    }
    expect((await unknown).message).toContain('NOAUTH');
    await closeAll();
    await guarded.stop();
  });

  test('in what is said of a server that is away, whatever the kind of address', async () => {
    const targets = [
      { url: `redis://:${secret}@127.0.0.1:${closedPort}` },
      { url: `rediss://:${secret}@127.0.0.1:${closedPort}` },
      { url: `redis+sentinel://:${secret}@127.0.0.1:${closedPort}/main`, sentinelPassword: secret },
      { url: `redis+cluster://:${secret}@127.0.0.1:${closedPort}` },
      { url: 'unix:///nowhere/redis.sock', password: secret },
    ];
    const errors = targets.map(async (target) => reasonOf((await open(target, true)).ping()));
    for (const error of await Promise.all(errors)) {
      expect(error).toBeInstanceOf(LockBackendError);
      expect(error.message).toMatch(/^lock: backend: Redis at /);
      expect(error.cause).toBeInstanceOf(Error);
      expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(secret);
    }
    await sentinelTimers();
  });

  test('in what a server says that knows no passwords', async () => {
    const args = ['--rename-command', 'AUTH', '', '--rename-command', 'HELLO', ''];
    const stranger = await startRedis({ args });
    const error = await reasonOf(
      (await open({ port: stranger.port, username: 'someone', password: secret }, true)).ping(),
    );
    expect(error).toBeInstanceOf(LockBackendError);
    expect(error.message).toMatch(/^lock: backend: Redis at \S+:\d+: ERR unknown command .auth.$/i);
    expect(inspect(error, { depth: 20, showHidden: true })).not.toMatch(/hush|someone/);
    await closeAll();
    await stranger.stop();
  });

  test('in what is said of a URL that cannot be read', async () => {
    for (const url of [
      `http://:${secret}@h`,
      `redis://:${secret}@h:port`,
      `redis+sentinel://:${secret}@h`,
      `redis+sentinel://:${secret}@h:x/main`,
      `redis+cluster://:${secret}%zz@h`,
      `redis+cluster://:${secret}/x@h`,
      `${secret}`,
    ]) {
      const error = await reasonOf(redisDriver({ url }));
      expect(error.code).toBe('LOCK_CONFIG');
      expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(secret);
    }
  });

  test('nor is a token, or what else was sent', async () => {
    const driver = await open(server.url);
    const key = freshKey();
    await redis.set(key, 'of another kind');
    const error = await reasonOf(ask(driver, key, { token: 'the-token', meta: { who: 'the-meta' } }));
    expect(error.message).toContain('WRONGTYPE');
    expect(inspect(error, { depth: 20, showHidden: true })).not.toMatch(/the-token|the-meta/);
  });
});

describe('ping() has an answer in time', () => {
  test('of a server that is not there, or never says a word', async () => {
    const silent = { host: '127.0.0.1', port: mutePort };
    const targets: [target: RedisOptions, message: string][] = [
      [{ port: closedPort }, 'ECONNREFUSED'],
      [silent, ''],
      [{ ...silent, protocol: 2 }, ''],
      [{ host: 'nowhere.invalid' }, 'nowhere.invalid'],
      [{ name: 'x', sentinels: [silent] }, ''],
      [{ url: `redis+cluster://127.0.0.1:${mutePort}` }, 'cluster'],
    ];
    const pings = targets.map(async ([target, message]) => {
      const { ran, error } = await timed((await open(target, true)).ping());
      expect(error).toBeInstanceOf(LockBackendError);
      expect(error!.message).toContain(message);
      expect(ran).toBeLessThan(4_500);
    });
    await Promise.all(pings);
    await sentinelTimers();
  });

  test('of a server that falls silent, and again when it speaks', async () => {
    const driver = await open(proxy.url);
    proxy.blackhole();
    const silent = await timed(driver.ping());
    expect(silent.error).toBeInstanceOf(LockBackendError);
    expect(silent.ran).toBeLessThan(4_500);
    proxy.passThrough();
    await until(() => driver.ping().then(() => true), 10_000, 'ping() to be answered');
  });
});

/** Starts a server that loads its data first, one key in so many µs; resolves when it listens. */
async function loading(keys: number, perKey: number) {
  const dir = await mkdtemp(join(tmpdir(), 'latchkey-loading-'));
  const slow = ['--key-load-delay', `${perKey}`, '--loading-process-events-interval-bytes', '1024'];
  const before = await startRedis({ dir });
  await before.ask(async (client) => {
    await client.mset(Object.fromEntries(Array.from({ length: keys }, (_, i) => [`k${i}`, 'x'.repeat(100)])));
    await client.save();
  });
  await before.stop();
  const port = await freePort();
  const starting = startRedis({ dir, port, args: slow });
  await until(
    async () => {
      const socket = connect(port, '127.0.0.1');
      await once(socket, 'connect').finally(() => socket.destroy());
      return true;
    },
    5_000,
    'the server to listen',
  );
  const stop = async () => {
    await (await starting).stop();
    await rm(dir, { recursive: true });
  };
  return { port, starting, stop };
}

test('a server that loads its data is an outage in time, whose error says so, and serves afterwards', async () => {
  const { port, starting, stop } = await loading(10_000, 400);

  const driver = await redisDriver({ port });
  const { ms, value } = await timed(reasonOf(take(driver, freshKey(), { wait: 1_800 })));
  expect(value).toBeInstanceOf(LockBackendError);
  expect((value as Error).message).toContain('still loading its data');
  expect(ms).toBeLessThan(2_600);

  await starting;
  await until(() => driver.ping().then(() => true));
  expect(await driver.release(await take(driver, freshKey()))).toBe(true);
  await driver.close();
  await stop();
});

test('a server that loads its data for a moment is found soon after it', async () => {
  const { port, stop } = await loading(2_000, 100);
  const driver = await redisDriver({ port });
  const { ran } = await timed(driver.ping());
  expect(ran).toBeGreaterThan(150);
  // By default it would be asked again after a second.
  expect(ran).toBeLessThan(800);
  await driver.close();
  await stop();
});

describe('a connection that is lost', () => {
  test('of a process whose event loop stood still is kept, with what was on its way', async () => {
    const [driver, key] = [await open(server.url), freshKey()];
    const received = async () => /total_connections_received:(\d+)/.exec(await redis.info('stats'))![1];
    const held = await take(driver, key);
    const before = await received();
    const asked = [driver.inspect(key), driver.extend(held, 20_000), ask(driver, freshKey())];
    await new Promise((resolve) => setTimeout(resolve, 1));
    blockEventLoop(3_000);
    for (const answer of await Promise.all(asked)) expect(answer).not.toBeNull();
    blockEventLoop(3_000);
    expect(await driver.release(held)).toBe(true);
    expect(await received()).toBe(before);
  });

  test('listens again when it is back: who waits is told at once', async () => {
    const [holder, waiter] = [await open(server.url), await open(proxy.url)];
    const key = freshKey();
    const held = await take(holder, key, { ttl: 60_000 });
    const { granted } = await queue(redis, waiter, key, { ttl: 60_000 });
    for (let round = 0; round < 3; round++) {
      proxy.reset();
      await until(async () => (await ours()).length === 1, 5_000, 'the loss');
      await until(
        async () => {
          const lines = await ours();
          return lines.length === 2 && lines.every((line) => line.includes(' sub=1 '));
        },
        5_000,
        'the subscription',
      );
    }
    await waiter.ping();
    expect(await waitersOf(redis, key)).toBe(1);
    expect(await holder.release(held)).toBe(true);
    const { ran } = await timed(granted);
    // Who was not told would look again after 4 s at the soonest.
    expect(ran).toBeLessThan(2_500);
  });

  test('is back by itself after CLIENT KILL, for as long as the driver is open', async () => {
    const driver = await open(server.url);
    for (let round = 0; round < 5; round++) {
      await redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
      await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      await until(() => driver.ping().then(() => true), 5_000, 'the connection');
      expect(await ours()).toHaveLength(1);
    }
    await closeAll();
    await until(async () => (await ours()).length === 0, 5_000, 'no connection of ours');
    await sleep(300);
    expect(await ours()).toEqual([]);
  });

  test('lets who waits go on when its server comes back empty', async () => {
    const other = await startRedis();
    const [holder, waiter] = [await open(other.url), await open(other.url)];
    const key = freshKey();
    const held = await take(holder, key, { ttl: 60_000 });
    const { granted } = await queue(other.client(), waiter, key);
    await other.restart();
    const grant = await granted;
    expect(grant.fence).toBeGreaterThan(held.fence);
    expect(await holder.extend(held, 60_000)).toBeNull();
    await closeAll();
    await other.stop();
  });
});

describe('close()', () => {
  test('ends what is on its way at once, at every stage of connecting', async () => {
    for (const target of [
      { port: closedPort },
      { port: mutePort },
      { port: mutePort, protocol: 2 },
      { url: `redis+sentinel://127.0.0.1:${mutePort}/main` },
      { url: `redis+cluster://127.0.0.1:${mutePort}` },
      { port: server.port },
    ]) {
      const driver = await open(target, true);
      const asked = [driver.ping(), driver.inspect('lock:{a}'), ask(driver, freshKey(), { wait: 20_000 })];
      const outcomes = Promise.allSettled(asked);
      await sleep(target.port === server.port ? 0 : 60);
      const { ran } = await timed(Promise.all([driver.close(), driver.close()]));
      expect(ran).toBeLessThan(1_500);
      const reasons = (await outcomes).map((outcome) => (outcome as PromiseRejectedResult).reason?.code);
      expect(reasons).toEqual(['LOCK_CLOSED', 'LOCK_CLOSED', 'LOCK_CLOSED']);
      expect((await reasonOf(driver.ping())).code).toBe('LOCK_CLOSED');
    }
    await sentinelTimers();
  });

  test('lets its process end by itself, whatever the state of the connection', async () => {
    const [at, pause] = ['127.0.0.1', 'await sleep(300)'];
    const states: [options: RedisOptions, before: string][] = [
      [{ url: server.url }, 'await driver.ping()'],
      [{ url: server.url, protocol: 2 }, 'await driver.ping()'],
      [{ url: server.url }, ''],
      [{ port: closedPort }, pause],
      [{ port: mutePort }, pause],
      [{ url: `redis+sentinel://${at}:${closedPort}/x` }, pause],
      [{ url: `redis+sentinel://${at}:${mutePort}/x` }, pause],
      [{ url: `redis+cluster://${at}:${closedPort}` }, pause],
      [{ url: `redis+cluster://${at}:${mutePort}` }, pause],
      [{ url: proxy.url }, 'await driver.ping(); send({ cut: true }); await sleep(1_000)'],
    ];
    const ends = states.map(async ([options, before]) => {
      const worker = runSource(`
        import { redisDriver } from 'latchkey';
        import { setTimeout as sleep } from 'node:timers/promises';
        const driver = await redisDriver(${JSON.stringify(options)});
        const waiting = driver.acquire({
          key: 'lock:{exit}', token: 't', mode: 'read', ttl: 1000, wait: 60_000, retryInterval: 100, meta: {},
        }).catch(() => {});
        ${before};
        await driver.close();
        await waiting;
        send({ closed: true });
      `);
      if (before.includes('cut')) {
        await worker.waitFor(({ cut }) => cut === true, 60_000);
        proxy.refuse();
        proxy.reset();
      }
      await worker.waitFor(({ closed }) => closed === true, 60_000);
      const { ran, value } = await timed(worker.exited);
      expect({ options, ...value, stderr: worker.stderr() }).toEqual({
        options,
        code: 0,
        signal: null,
        stderr: '',
      });
      expect(ran).toBeLessThan(15_000);
    });
    await Promise.all(ends);
    await proxy.accept();
  }, 90_000);
});
