import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { lockSchema } from '../../src/app/lock/schema.js';
import { createApp, lock, lockProvider } from '../../src/index.js';
import { read, root, rows } from './documents.js';

const schema = lockSchema(undefined, []) as { lock: Record<string, object> };
const { lockers, redis, postgres, ...general } = schema.lock;
const ofEach = Object.keys((lockers as { each: object }).each);
const table = rows(read('docs/configuration.md')).filter(([key]) => key!.startsWith('`lock.'));

test('the table has a row for every key, and no other', () => {
  const keys = [
    ...Object.keys(general).map((key) => `lock.${key}`),
    ...ofEach.map((key) => `lock.lockers.<name>.${key}`),
    ...Object.keys(redis!).map((key) => `lock.redis.${key}`),
    ...Object.keys(postgres!).map((key) => `lock.postgres.${key}`),
  ];
  expect(table.map(([key]) => key!.replaceAll('`', '')).sort()).toEqual(keys.sort());
});

test('the table names the variables that .env.example names', async () => {
  const example = await readFile(join(root, '.env.example'), 'utf8');
  const inExample = [...example.matchAll(/^(\w+)=/gm)].map(([, name]) =>
    name!.replace('__JOBS__', '__<NAME>__'),
  );
  const inTable = table.flatMap(([, variables]) =>
    [...variables!.matchAll(/`([^`]+)`/g)].map(([, name]) => name!),
  );
  expect(inTable.sort()).toEqual(inExample.sort());
});

test('every key of one locker can stand in a file, as runa’s page has them', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-'));
  const configFile = join(folder, 'app.toml');
  await writeFile(
    configFile,
    `[lock.lockers.default]
     driver = "memory"
     prefix = "locks:"
     ttl = "31s"
     wait = "5s"
     retry_interval = "99ms"
     auto_renew = true
     limit = 3
     meta = { role = "shared" }`,
  );
  await using _app = await createApp({ configFile, env: {} }).install(lockProvider).start();
  await rm(folder, { recursive: true });
  expect(lock.default().info()).toEqual([
    expect.objectContaining({
      name: 'default',
      driver: 'memory',
      prefix: 'locks:',
      ttl: 31_000,
      wait: 5_000,
      retryInterval: 99,
      autoRenew: true,
      limit: 3,
      meta: expect.objectContaining({ role: 'shared' }),
    }),
  ]);
});
