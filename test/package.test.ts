import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..');
const bin = (name: string) => join(root, 'node_modules/.bin', name);
const env = { ...process.env, NODE_OPTIONS: '' };

let project: string;
let tarball: string;

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), 'latchkey-pack-'));
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', project], { cwd: root, env });
  const [{ filename }] = JSON.parse(stdout.slice(stdout.indexOf('['))) as [{ filename: string }];
  tarball = join(project, filename);
}, 120_000);

afterAll(() => rm(project, { recursive: true, force: true }));

test('publint finds nothing', async () => {
  const { stdout } = await run(bin('publint'), ['run', tarball, '--strict'], { cwd: root, env });
  expect(stdout).toContain('All good!');
});

test('are the types wrong? No, for an ESM package', async () => {
  await run(bin('attw'), [tarball, '--profile', 'esm-only'], { cwd: root, env });
});

test('it installs in an empty project, which compiles under strict and runs the first example of the README', async () => {
  const readme = await readFile(join(root, 'README.md'), 'utf8');
  const [, example] = /```ts\n(.*?)```/s.exec(readme) ?? [];
  await writeFile(join(project, 'app.ts'), example!);
  await writeFile(join(project, 'package.json'), '{ "type": "module", "private": true }');
  const compilerOptions = {
    strict: true,
    module: 'nodenext',
    moduleResolution: 'nodenext',
    target: 'es2022',
    types: [],
  };
  await writeFile(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['app.ts'] }));
  const { peerDependencies } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  const peers = ['inversify', 'reflect-metadata'].map((name) => `${name}@${peerDependencies[name]}`);
  await run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', tarball, ...peers], {
    cwd: project,
    env,
  });
  await run(bin('tsc'), ['-p', project], { cwd: project, env }).catch((error) => {
    throw new Error(error.stdout);
  });
  const { stdout } = await run(process.execPath, ['app.js'], { cwd: project, env });
  expect(stdout).toMatch(/^built under fence \d+\n$/);
}, 180_000);
