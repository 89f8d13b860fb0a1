import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';

const root = join(import.meta.dirname, '..');

async function pages(folder: string): Promise<Record<string, string>> {
  const files = (await readdir(folder)).sort();
  return Object.fromEntries(
    await Promise.all(files.map(async (file) => [file, await readFile(join(folder, file), 'utf8')] as const)),
  );
}

test('etc/api has the public API as it is built: after a change that is meant, run `npm run api`', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-api-'));
  try {
    await promisify(execFile)(process.execPath, [join(root, 'scripts/api-report.mjs'), folder], {
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    const built = await pages(folder);
    expect(built['latchkey-mutex.md']).toContain('tryLock(key: K): boolean;');
    expect(await pages(join(root, 'etc/api'))).toEqual(built);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test('the root exports all that latchkey/locks does', async () => {
  const names = async (file: string): Promise<string[]> => {
    const text = await readFile(join(root, 'src', file), 'utf8');
    const lists = [...text.matchAll(/^export (?:type )?\{([^}]*)\}/gm)].map(([, list]) => list!);
    return lists.join().match(/\w+(?=\s*(?:,|$))/g) ?? [];
  };
  const [locks, all] = await Promise.all([names('locks.ts'), names('index.ts')]);
  expect(locks).toEqual(expect.arrayContaining(['LockRegistry', 'AcquireOptions', 'WithLock']));
  expect(locks.filter((name) => !all.includes(name))).toEqual([]);
});
