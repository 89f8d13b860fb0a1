import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import { freePort } from '../../support/port.js';
import { runSource } from '../../support/process.js';
import { type RedisServer, startRedis } from '../../support/redis-server.js';
import { sleep, stopwatch, until } from '../../support/wait.js';
import { ask, closeAll, freshKey, open, reasonOf, take } from './support/rig.js';

let dir: string;
let server: RedisServer;
let port: number;
let ca: Buffer;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'latchkey-tls-'));
  const [key, cert] = [join(dir, 'key.pem'), join(dir, 'cert.pem')];
  const whom = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  const how = ['-newkey', 'rsa:2048', '-nodes', '-days', '2', '-keyout', key, '-out', cert];
  execFileSync('openssl', ['req', '-x509', ...how, ...whom], { stdio: 'ignore' });
  ca = readFileSync(cert);
  port = await freePort();
  const files = ['--tls-cert-file', cert, '--tls-key-file', key];
  server = await startRedis({ args: ['--tls-port', `${port}`, '--tls-auth-clients', 'no', ...files] });
});
afterEach(closeAll);
afterAll(async () => {
  await server.stop();
  rmSync(dir, { recursive: true });
});

/** That a waiter is handed the lock by a message. */
async function works(target: Parameters<typeof open>[0]): Promise<void> {
  const [one, two] = [await open(target), await open(target)];
  const key = freshKey();
  const held = await take(one, key);
  const waiting = take(two, key, { wait: 10_000 });
  await until(async () => (await one.inspect(key))?.waiters === 1);
  const watch = stopwatch();
  expect(await one.release(held)).toBe(true);
  expect(await two.release(await waiting)).toBe(true);
  expect(watch.stop()).toBeLessThan(3_000);
}

test('a private authority is given beside the URL, over one connection or two', async () => {
  await works({ url: `rediss://localhost:${port}`, tls: { ca } });
  await works({ host: 'localhost', port, tls: { ca }, protocol: 2 });
});

test('a client that is lent lends its authority', async () => {
  const lent = new Redis({ host: 'localhost', port, tls: { ca }, disconnectTimeout: 0 });
  await works(lent);
  lent.disconnect();
});

test('a certificate of nobody who is known, or for another host, is a backend error, and nothing is locked', async () => {
  const key = freshKey();
  for (const [target, words] of [
    [{ url: `rediss://localhost:${port}` }, 'self-signed'],
    [{ url: `rediss://127.0.0.1:${port}`, tls: { ca } }, 'does not match'],
    [{ url: `redis://localhost:${port}` }, 'Redis at localhost'],
  ] as const) {
    const error = await reasonOf(ask(await open(target, true), key, { wait: 5_000 }));
    expect(error).toMatchObject({ code: 'LOCK_BACKEND', message: expect.stringContaining(words) });
  }
  expect(await server.ask((client) => client.exists(key))).toBe(0);
});

test('bytes on the way that are no TLS end connections, not the process', async () => {
  const sockets = new Set<Socket>();
  const between = createServer((socket) => {
    const upstream = connect(port, '127.0.0.1');
    sockets.add(socket);
    for (const [from, to] of [
      [socket, upstream],
      [upstream, socket],
    ] as const)
      from
        .on('data', (bytes) => void to.write(bytes))
        .on('error', () => {})
        .on('close', () => to.destroy());
    socket.on('close', () => sockets.delete(socket));
  });
  await once(between.listen(0, '127.0.0.1'), 'listening');
  const { port: way } = between.address() as AddressInfo;
  const child = runSource(`
    import { redisDriver } from 'latchkey';
    const tls = { rejectUnauthorized: false };
    const driver = await redisDriver({ host: '127.0.0.1', port: ${way}, tls });
    const asked = { mode: 'write', ttl: 5000, wait: 2000, retryInterval: 100, meta: {} };
    let stop = false;
    const work = async (n) => {
      for (let i = 0; !stop; i++)
        await driver
          .acquire({ ...asked, key: 'lock:{' + n + '}', token: n + '-' + i })
          .then((grant) => grant && driver.release(grant))
          .catch(() => {});
    };
    const works = Array.from({ length: 8 }, (_, n) => work(n));
    send({ up: true });
    for await (const _ of received) break;
    stop = true;
    await Promise.all(works);
    await driver.ping();
    send({ serves: true });
    await driver.close();
    process.exit();
  `);
  await child.waitFor(({ up }) => up === true);
  for (let i = 0; i < 80; i++) {
    await sleep(60);
    for (const socket of sockets) socket.write(Buffer.alloc(40, i % 2 ? 'x' : 0x17));
  }
  child.send({});
  await child.waitFor(({ serves }) => serves === true);
  await child.exited;
  between.close();
});
