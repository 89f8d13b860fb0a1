import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { ensureRedis, redisBinary } from './redis-binary.js';

// A machine that has nothing but what a test puts there; these are jest's copies of env and getuid.
const { PATH, CI, LATCHKEY_REDIS_SERVER } = process.env;
const { getuid } = process;
let bin: string;

beforeEach(async () => {
  bin = await mkdtemp(join(tmpdir(), 'latchkey-bin-'));
  await tool('sh', 'exec /bin/sh "$@"');
  process.env.PATH = bin;
  process.env.CI = '';
  process.env.LATCHKEY_REDIS_SERVER = '';
  process.getuid = () => 1000;
});

afterEach(async () => {
  process.env.PATH = PATH;
  process.env.CI = CI ?? '';
  process.env.LATCHKEY_REDIS_SERVER = LATCHKEY_REDIS_SERVER ?? '';
  if (getuid) process.getuid = getuid;
  await rm(bin, { recursive: true });
});

async function tool(name: string, body: string): Promise<void> {
  await writeFile(join(bin, name), `#!/bin/sh\n${body}\n`);
  await chmod(join(bin, name), 0o755);
}

// It fails as an install does whose service cannot start, and leaves the binary behind.
async function packageManager(): Promise<void> {
  const server = join(bin, 'valkey-server');
  await tool('dnf', `printf '#!/bin/sh\\necho v=8.1.0\\n' > ${server}; /bin/chmod +x ${server}; exit 1`);
}

test('prints the one command to run where it may not install', async () => {
  expect(ensureRedis).toThrow('install Redis 6.2 or later');
  await packageManager();
  expect(ensureRedis).toThrow("run: sudo sh -c 'dnf install -y valkey || dnf install -y redis'");
});

test('installs as root', async () => {
  await packageManager();
  process.getuid = () => 0;
  expect(ensureRedis()).toBe(join(bin, 'valkey-server'));
});

test('installs in CI with a sudo that asks nothing', async () => {
  await packageManager();
  await tool('sudo', 'shift; [ "$1" = true ] || exec "$@"');
  expect(ensureRedis).toThrow('no redis-server');
  process.env.CI = 'true';
  expect(ensureRedis()).toBe(join(bin, 'valkey-server'));
});

test('refuses a server that is too old, or that cannot be run', async () => {
  await tool('redis-server', 'echo "Redis server v=6.0.16"');
  expect(redisBinary).toThrow('expected 6.2 or later, got "Redis server v=6.0.16"');
  process.env.LATCHKEY_REDIS_SERVER = join(bin, 'nothing');
  expect(redisBinary).toThrow('LATCHKEY_REDIS_SERVER');
});
