import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startRedis } from './support/redis-server.js';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..');
const bin = (name: string) => join(root, 'node_modules/.bin', name);
const env = { ...process.env, NODE_OPTIONS: '' };

interface Packed {
  filename: string;
  size: number;
  unpackedSize: number;
  files: { path: string }[];
}

let folder: string;
let tarball: string;
let packed: Packed;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'latchkey-pack-'));
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: root, env });
  [packed] = JSON.parse(stdout.slice(stdout.indexOf('[\n'))) as [Packed];
  tarball = join(folder, packed.filename);
}, 120_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

test('it has what is built, what documents it, and nothing else', () => {
  const paths = packed.files.map(({ path }) => path);
  const built = paths.filter((path) => path.startsWith('dist/'));
  const unbuilt = built.filter((path) => {
    const [, source] = /^dist\/(.+?)(?:\.d\.ts|\.js)$/.exec(path) ?? [];
    return !source || !existsSync(join(root, 'src', `${source}.ts`));
  });
  expect(unbuilt).toEqual([]);
  expect(built.length).toBeGreaterThan(100);
  const others = paths.filter(
    (path) => !/^(dist\/|docs\/(?:api\/)?[^/]+$|examples\/\d\d-[\w-]+\.ts$)/.test(path),
  );
  expect(others.sort()).toEqual([
    '.env.example',
    'CHANGELOG.md',
    'LICENSE',
    'README.md',
    'bench/README.md',
    'package.json',
  ]);
});

test('what its pages link to is in it', async () => {
  const paths = packed.files.map(({ path }) => path);
  const there = (path: string) => paths.some((file) => file === path || file.startsWith(`${path}/`));
  const missing: string[] = [];
  let links = 0;
  for (const page of paths.filter((path) => path.endsWith('.md'))) {
    const text = await readFile(join(root, page), 'utf8');
    for (const [, link] of text.matchAll(/\]\((?!\w+:)([^)#\s]+)/g)) {
      links++;
      const target = join(dirname(page), link!).replace(/\/$/, '');
      if (!there(target)) missing.push(`${page}: ${link}`);
    }
  }
  expect(links).toBeGreaterThan(10);
  expect(missing).toEqual([]);
});

test('it has a size budget', () => {
  expect(packed.size).toBeLessThan(415_000);
  expect(packed.size).toBeGreaterThan(150_000);
  expect(packed.unpackedSize).toBeLessThan(1_500_000);
});

test('no file names a source map that is not there', async () => {
  const { stdout } = await run('tar', ['-xzOf', tarball], { maxBuffer: 16_000_000 });
  expect(stdout).toContain('export class KeyedMutex');
  expect(stdout).not.toContain('sourceMappingURL');
});

test('publint finds nothing', async () => {
  const { stdout } = await run(bin('publint'), ['run', tarball, '--strict'], { cwd: root, env });
  expect(stdout).toContain('All good!');
});

test('are the types wrong? No, for an ESM package', async () => {
  await run(bin('attw'), [tarball, '--profile', 'esm-only'], { cwd: root, env });
});

test('bare projects compile, run, and load only what they should', async () => {
  const redis = await startRedis();
  try {
    const { stdout } = await run(process.execPath, ['scripts/try-package.mjs', tarball], {
      cwd: root,
      env: { ...env, REDIS_URL: redis.url },
    });
    const done = ['inversify', 'nestjs', 'commonjs', 'mutex', 'ioredis5'];
    expect(stdout.trim().split('\n')).toEqual(
      done.map((project) => `${project}: compiles, runs, and loads what it should`),
    );
  } finally {
    await redis.stop();
  }
}, 180_000);
