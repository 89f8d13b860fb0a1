// Tries the package as users get it: packs it, and makes five bare projects that each compile, run, and load only what
// they should. `node scripts/try-package.mjs [tarball] [project …]`; REDIS_URL says where a Redis is that it may use, and
// TYPESCRIPT the folder of a compiler other than ours.
//
// What the projects need is linked from node_modules: nothing is downloaded.
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';
import semver from 'semver';

const root = join(import.meta.dirname, '..');
const tsc = join(process.env.TYPESCRIPT ?? join(root, 'node_modules/typescript'), 'bin/tsc');
const ours = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** `packages`: those beside latchkey, by the name they have in node_modules. `loads`: all that may be loaded. */
const PROJECTS = {
  inversify: {
    packages: { inversify: 'inversify', 'reflect-metadata': 'reflect-metadata' },
    loads:
      /^(latchkey|inversify|@inversifyjs\/.*|reflect-metadata|convict|smol-toml|lodash\.clonedeep|yargs-parser)$/,
    prints: /^paid 7 under 1 lock, jobs$/m,
  },
  nestjs: {
    packages: {
      '@nestjs/common': '@nestjs/common',
      '@nestjs/core': '@nestjs/core',
      'reflect-metadata': 'reflect-metadata',
      rxjs: 'rxjs',
    },
    loads: /^(?!inversify|@inversifyjs|convict|smol-toml|ioredis|pg$)/,
    prints: /^paid 7 under 1 lock, jobs$/m,
  },
  commonjs: { packages: {}, loads: /^latchkey$/, prints: /^built under fence \d+$/m },
  mutex: { packages: {}, loads: /^$/, prints: /^1,2,3 true,true,false$/m, bundle: true },
  ioredis5: {
    packages: { ioredis: 'ioredis5', bullmq: 'bullmq', '@types/node': '@types/node' },
    loads: /^(?!inversify|@inversifyjs|convict|smol-toml|@nestjs|pg$)/,
    prints: /^paid under fence \d+$/m,
  },
};

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'latchkey-try-')));
try {
  const unpacked = unpack(process.argv.find((arg) => arg.endsWith('.tgz')) ?? pack());
  const wanted = process.argv.slice(2).filter((arg) => !arg.endsWith('.tgz'));
  for (const name of Object.keys(PROJECTS).filter(
    (project) => wanted.length === 0 || wanted.includes(project),
  )) {
    await attempt(name, unpacked);
    console.log(`${name}: compiles, runs, and loads what it should`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function pack() {
  const { stdout } = run('npm', ['pack', '--json', '--pack-destination', folder], root);
  const [{ filename }] = JSON.parse(stdout.slice(stdout.indexOf('[\n')));
  return join(folder, filename);
}

function unpack(tarball) {
  run('tar', ['-xzf', tarball, '-C', folder], root);
  return join(folder, 'package');
}

async function attempt(name, unpacked) {
  const { packages, loads, prints, bundle } = PROJECTS[name];
  const project = join(folder, name);
  cpSync(join(import.meta.dirname, 'projects', name), project, { recursive: true });
  cpSync(join(import.meta.dirname, 'projects/loaded.mjs'), join(project, 'loaded.mjs'));
  cpSync(unpacked, join(project, 'node_modules/latchkey'), { recursive: true });
  for (const dependency of Object.keys(ours.dependencies)) put(project, dependency, dependency);
  for (const [as, source] of Object.entries(packages)) put(project, as, source);

  run(process.execPath, [tsc, '-p', '.'], project);
  if (bundle) {
    await build({
      absWorkingDir: project,
      entryPoints: ['app.ts'],
      outfile: join(project, 'app.js'),
      bundle: true,
      format: 'esm',
      platform: 'browser',
      target: 'es2022',
      logLevel: 'error',
    });
    // The bundle has all it needs.
    rmSync(join(project, 'node_modules'), { recursive: true });
  }
  const loaded = join(project, 'loaded.json');
  const env = { LOADED: loaded, REDIS_URL: process.env.REDIS_URL ?? 'redis://127.0.0.1:6379' };
  const { stdout } = run(process.execPath, ['--import', './loaded.mjs', 'app.js'], project, env);
  if (!prints.test(stdout)) throw new Error(`${name} printed ${JSON.stringify(stdout)}, not ${prints}`);
  const names = JSON.parse(readFileSync(loaded, 'utf8'));
  const wrong = names.filter((loadedName) => !loads.test(loadedName));
  if (wrong.length > 0) throw new Error(`${name} loaded ${wrong.join(', ')}`);
  // Else the look itself is broken.
  if (!bundle && !names.includes('latchkey')) throw new Error(`${name} did not load latchkey: ${names}`);
}

/**
 * Puts a package into a project. It is copied with what it needs, where it must find the project's own packages, and
 * linked otherwise.
 */
function put(project, as, source) {
  const from = join(root, 'node_modules', source);
  const { version, peerDependencies = {} } = JSON.parse(readFileSync(join(from, 'package.json'), 'utf8'));
  const range = ours.peerDependencies[as];
  if (range && !semver.satisfies(version, range))
    throw new Error(`${as} ${version} is not in our peer range ${range}`);
  const to = join(project, 'node_modules', as);
  if (existsSync(to)) return;
  mkdirSync(dirname(to), { recursive: true });
  const copied = 'ioredis' in peerDependencies;
  if (!copied) return symlinkSync(realpathSync(from), to);
  cpSync(realpathSync(from), to, { recursive: true });
  const { dependencies = {} } = createRequire(join(from, 'x.js'))('./package.json');
  for (const dependency of Object.keys(dependencies)) put(project, dependency, dependency);
}

function run(command, args, cwd, env = {}) {
  const { status, signal, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    timeout: 120_000,
    env: { ...process.env, NODE_OPTIONS: '', ...env },
  });
  if (error) throw error;
  if (status !== 0)
    throw new Error(`${command} ${args.join(' ')} in ${cwd} ended ${signal ?? status}\n${stdout}\n${stderr}`);
  return { stdout, stderr };
}
