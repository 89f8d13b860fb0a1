import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type CommonOptions, readTarget } from '../../src/cli/session.js';

let dir: string;
let config: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'latchkey-session-'));
  config = join(dir, 'service.toml');
  await writeFile(
    config,
    `[lock]\nprovider = "postgres"\nprefix = "all:"\n[lock.lockers.jobs]\ndriver = "redis"\nprefix = "jobs:"\n`,
  );
});
afterAll(() => rm(dir, { recursive: true }));

test.each<[CommonOptions, string, string]>([
  [{}, 'postgres', 'all:'],
  [{ locker: 'default' }, 'postgres', 'all:'],
  [{ locker: 'jobs' }, 'redis', 'jobs:'],
  [{ locker: 'jobs', prefix: 'other:' }, 'redis', 'other:'],
  [{ locker: 'jobs', url: 'postgres://db' }, 'postgres', 'jobs:'],
  [{ url: 'redis://cache' }, 'redis', 'all:'],
])('%j means the locks that the service itself has under it: %s, %s', async (options, driver, prefix) => {
  const target = await readTarget({ config, ...options });
  expect(target).toMatchObject({ driver, prefix });
  expect(target.registry.info()).toMatchObject([{ driver, prefix }]);
});
