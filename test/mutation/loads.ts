import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { transform } from 'esbuild';
import { Redis } from 'ioredis';
import pg from 'pg';
import { startPostgres } from '../support/postgres-server.js';
import { startRedis } from '../support/redis-server.js';
import { type Mutant, mutated } from './mutant.js';
import type { Workspace } from './workspace.js';

/** Those that a compiler or a server takes: what it refuses is no bug that a test must notice. */
export function loadable(mutants: readonly Mutant[], workspace: Workspace): Promise<Mutant[]> {
  const file = mutants[0]?.file ?? '';
  if (file.endsWith('.lua')) return redisLoads(mutants, workspace);
  if (file.endsWith('.sql')) return postgresLoads(mutants, workspace);
  return Promise.resolve(compiled(mutants, workspace));
}

const FLAGS =
  '--noEmit --pretty false --composite false --incremental false --noUnusedLocals false --noUnusedParameters false';

/** Each mutant's file is put beside the original under another name, so that the compiler runs once for all. */
function compiled(mutants: readonly Mutant[], workspace: Workspace): Mutant[] {
  const files = [...new Set(mutants.map(({ file }) => file))];
  const put = (file: string, name: string, text: string) => {
    const path = join(workspace.folder, file.replace(/\.ts$/, `.${name}.ts`));
    writeFileSync(path, text);
    return path;
  };
  const paths = [
    ...files.map((file) => put(file, 'same', workspace.read(file))),
    ...mutants.map((mutant, i) =>
      put(mutant.file, `mutant${i}`, mutated(workspace.read(mutant.file), mutant)),
    ),
  ];
  const errors = compile(workspace.folder);
  for (const path of paths) rmSync(path);
  // A class with private members differs from its own copy, so some copies have errors of their own.
  const of = (file: string, name: string) =>
    errors.filter(({ path }) => path === file.replace(/\.ts$/, `.${name}.ts`)).map(({ code }) => code);
  return mutants.filter(({ file }, i) => of(file, `mutant${i}`).length <= of(file, 'same').length);
}

function compile(folder: string): { path: string; code: string }[] {
  try {
    execFileSync('../../node_modules/.bin/tsc', ['-p', '.', ...FLAGS.split(' ')], {
      cwd: folder,
      encoding: 'utf8',
    });
    return [];
  } catch (error) {
    const { stdout } = error as { stdout: string };
    return [...stdout.matchAll(/^(\S+)\(\d+,\d+\): error (TS\d+)/gm)].map(([, path, code]) => ({
      path: path!,
      code: code!,
    }));
  }
}

async function generated(workspace: Workspace, file: string): Promise<Record<string, unknown>> {
  const { code } = await transform(workspace.read(file), { loader: 'ts', format: 'esm' });
  return await import(`data:text/javascript,${encodeURIComponent(code)}`);
}

async function those(
  mutants: readonly Mutant[],
  workspace: Workspace,
  loads: () => Promise<unknown>,
): Promise<Mutant[]> {
  const kept: Mutant[] = [];
  await loads();
  for (const mutant of mutants) {
    const text = workspace.read(mutant.file);
    workspace.put(mutant.file, mutated(text, mutant));
    const loaded = await loads().then(
      () => true,
      () => false,
    );
    if (loaded) kept.push(mutant);
    writeFileSync(join(workspace.folder, mutant.file), text);
  }
  const [first] = mutants;
  if (first) workspace.put(first.file, workspace.read(first.file));
  return kept;
}

async function redisLoads(mutants: readonly Mutant[], workspace: Workspace): Promise<Mutant[]> {
  const server = await startRedis();
  const client = new Redis(server.url);
  try {
    return await those(mutants, workspace, async () => {
      const scripts = await generated(workspace, 'src/drivers/redis/scripts.generated.ts');
      for (const script of Object.values(scripts) as { lua: string }[])
        await client.script('LOAD', script.lua);
    });
  } finally {
    client.disconnect();
    await server.stop();
  }
}

async function postgresLoads(mutants: readonly Mutant[], workspace: Workspace): Promise<Mutant[]> {
  const server = await startPostgres();
  const client = new pg.Client(server.url());
  await client.connect();
  try {
    return await those(mutants, workspace, async () => {
      const sql = await generated(workspace, 'src/drivers/postgres/sql.generated.ts');
      const { TABLES, FUNCTIONS } = sql as { TABLES: string; FUNCTIONS: string[] };
      await client.query('BEGIN');
      try {
        await client.query('CREATE SCHEMA latchkey');
        await client.query(TABLES);
        // They call each other: their bodies are checked when all are there.
        for (const checked of ['off', 'on']) {
          await client.query(`SET LOCAL check_function_bodies = ${checked}`);
          for (const part of FUNCTIONS) await client.query(part);
        }
      } finally {
        await client.query('ROLLBACK');
      }
    });
  } finally {
    await client.end();
    await server.stop();
  }
}
