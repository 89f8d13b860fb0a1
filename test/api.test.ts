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

async function written(script: string): Promise<Record<string, string>> {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-api-'));
  try {
    await promisify(execFile)(process.execPath, [join(root, 'scripts', script), folder], {
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    return await pages(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test('etc/api has the public API as it is built: after a change that is meant, run `npm run api`', async () => {
  const built = await written('api-report.mjs');
  expect(built['latchkey-mutex.md']).toContain('tryLock(key: K): boolean;');
  expect(await pages(join(root, 'etc/api'))).toEqual(built);
});

test('docs/api has the comments as they are in the code: after a change, run `npm run docs`', async () => {
  const built = await written('api-pages.mjs');
  expect(built['latchkey-locks.md']).toContain(
    '- `ttl?: Duration`: How long the lease lasts unless it is renewed',
  );
  expect(await pages(join(root, 'docs/api'))).toEqual(built);
});

test('docs/api describes every name that is exported, and each of them has a comment', async () => {
  const reference = await pages(join(root, 'docs/api'));
  const sections = Object.values(reference).flatMap((page) => page.split(/^## /m).slice(1));
  const names = sections.map((section) => section.slice(0, section.indexOf('\n')));
  expect(names).toEqual(expect.arrayContaining(['AcquireOptions', 'LockRegistry', 'KeyedMutex', 'guard']));
  const bare = sections.filter((section) =>
    /^[^\n]*\n\n```typescript\n[^`]*```\n$/.test(section.trim().concat('\n')),
  );
  expect(bare.map((section) => section.slice(0, section.indexOf('\n')))).toEqual([]);
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
