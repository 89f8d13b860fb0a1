import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import { freePort } from '../../support/port.js';
import { type RedisServer, startRedis } from '../../support/redis-server.js';
import { stopwatch, until } from '../../support/wait.js';
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
