import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { freePort } from '../support/port.js';
import { type RedisServer, startRedis } from '../support/redis-server.js';
import { sleep } from '../support/wait.js';
import { killAll, latchkey, start } from './support/command.js';

// Of an authority whose key is gone; valid from 2020 to 2119, for localhost and 127.0.0.1.
const files = join(import.meta.dirname, '../support/tls');
const ca = join(files, 'ca.pem');

let server: RedisServer;
let url: string;

beforeAll(async () => {
  const port = await freePort();
  const tls = ['--tls-port', `${port}`, '--tls-auth-clients', 'no', '--tls-ca-cert-file', ca];
  const key = ['--tls-cert-file', join(files, 'server.pem'), '--tls-key-file', join(files, 'server-key.pem')];
  server = await startRedis({ args: [...tls, ...key] });
  url = `rediss://localhost:${port}`;
});

afterAll(async () => {
  killAll();
  await server.stop();
});

test('a private authority is trusted where NODE_EXTRA_CA_CERTS names it, by every command', async () => {
  const env = { NODE_EXTRA_CA_CERTS: ca };
  const running = start(['run', 'k', '--url', url, '--ttl', '1s', '--', 'sh', '-c', 'echo up; read _'], env);
  await running.wrote(/up/);
  const [info] = JSON.parse((await latchkey(['ls', '--url', url, '--json'], env)).stdout);
  expect(info).toMatchObject({ key: 'k', holders: [{ meta: { command: 'sh' } }] });
  const { fence } = info.holders[0];
  // It was renewed over TLS, too.
  await sleep(1_500);
  const doctor = await latchkey(['doctor', '--url', url], env);
  expect(doctor).toMatchObject({ code: 0, stderr: '' });
  expect(doctor.stdout).toMatch(/0 errors\n$/);
  const again = JSON.parse((await latchkey(['inspect', 'k', '--url', url, '--json'], env)).stdout);
  expect(again.holders).toMatchObject([{ fence }]);
  running.child.stdin?.write('\n');
  expect((await running.answer).code).toBe(0);
});

test.each([['ls'], ['doctor'], ['run', 'k', '--', 'echo', 'ran']])(
  'without it, %s says what is wrong and what to set, with exit code 69',
  async (command, ...args) => {
    const answer = await latchkey([command, '--url', url, ...args]);
    expect(answer).toMatchObject({ code: 69, stdout: '' });
    expect(answer.stderr).toMatch(/^latchkey: .*certificate.*NODE_EXTRA_CA_CERTS.*\n$/);
  },
);

test('a plain address of a server that speaks TLS is told as a server that does not serve', async () => {
  const answer = await latchkey(['ls', '--url', url.replace('rediss', 'redis')]);
  expect(answer).toMatchObject({ code: 69, stdout: '' });
}, 20_000);
