import { existsSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { luaMutants } from './lua.js';
import type { Mutant } from './mutant.js';
import { sqlMutants } from './sql.js';
import { typescriptMutants } from './typescript.js';

/** Tests that may notice a mutant. They run one after the other, until one does. */
export type Stage =
  | {
      readonly run: 'tests';
      readonly paths: readonly string[];
      readonly without?: readonly string[];
      /** They take half a minute and more. */
      readonly slow?: boolean;
    }
  | { readonly run: 'related'; readonly file: string }
  | { readonly run: 'simulator'; readonly first: number; readonly last: number; readonly slow?: boolean };

export interface Group {
  readonly name: string;
  /** Which files of src are changed. */
  readonly files: RegExp;
  /** The share of mutants that must be noticed, in percent. */
  readonly bound: number;
  readonly mutants: (file: string, text: string) => Mutant[] | Promise<Mutant[]>;
  readonly stages: (file: string) => Stage[];
}

const tests = (...paths: string[]): Stage => ({ run: 'tests', paths });
const slowTests = (...paths: string[]): Stage => ({ run: 'tests', paths, slow: true });
const simulator = (first: number, last: number) => ({ run: 'simulator', first, last }) as const;

/** The test of the same name. */
function own(file: string): Stage[] {
  const path = file.replace(/^src/, 'test').replace(/\.ts$/, '.test.ts');
  return existsSync(path) ? [tests(path)] : [];
}

function ofEngine(file: string): Stage[] {
  const related: Stage = { run: 'related', file };
  const thread = /renew|thread|hold/.test(file) ? [slowTests('test/drivers/redis/thread.test.ts')] : [];
  const model = /mutex/.test(file) ? [tests('test/mutex/.*model')] : [];
  const early = /^src\/engine\/(?!thread)/.test(file) ? [simulator(1, 64)] : [];
  const late: Stage = { ...simulator(301, 1_000), slow: true };
  const rest = [simulator(65, 300), late, slowTests('test/drivers/memory', 'test/lease/backend'), ...thread];
  return [...early, ...own(file), related, ...model, ...rest];
}

function ofRedis(file: string): Stage[] {
  const first = 'redis/(connection|client|store|commands|codec).test';
  const near = ['cluster', 'sentinel'].filter((name) => file.includes(name));
  const slow = 'redis/(faults-|cluster|sentinel)';
  const rest: Stage = {
    run: 'tests',
    paths: ['test/drivers/redis/'],
    without: ['redis/lua/', 'redis/thread', 'redis/conformance', first, slow],
  };
  return [
    ...own(file),
    ...near.map((name) => tests(`test/drivers/redis/${name}`)),
    tests(`test/drivers/${first}`),
    rest,
    tests(`test/drivers/${slow}`),
    ...ofThread('redis', file),
  ];
}

function ofPostgres(file: string): Stage[] {
  const first = 'test/drivers/postgres/(store|connecting).test';
  const slow = 'test/drivers/postgres/(faults|standby|crowd|pgbouncer|tls)';
  const rest: Stage = {
    run: 'tests',
    paths: ['test/drivers/postgres/'],
    without: ['postgres/(sql|thread|conformance)', first, slow],
  };
  return [...own(file), tests(first), rest, tests(slow), ...ofThread('postgres', file)];
}

/** The tests of a renewal thread take longest, and use of a driver what connects and renews. */
function ofThread(driver: string, file: string): Stage[] {
  const used = /renew|client|options|address|connection|link/.test(basename(file));
  return used ? [slowTests(`test/drivers/${driver}/thread`)] : [];
}

function ofLua(file: string): Stage[] {
  const same = `test/drivers/redis/lua/${basename(file, '.lua')}.test.ts`;
  const rest: Stage = { run: 'tests', paths: ['test/drivers/redis/lua/'], without: [same] };
  return [
    ...(existsSync(same) ? [tests(same)] : []),
    rest,
    tests('test/drivers/redis/store'),
    tests('test/drivers/redis/(fences|keys|passing|dead-waiters|start-checks|rights)'),
  ];
}

function ofApp(file: string): Stage[] {
  const folder = dirname(file.replace(/^src/, 'test'));
  const all = tests('test/app/', 'test/nestjs/', 'test/(running|with-lock|registry).test');
  const near = folder === 'test' || !existsSync(folder) ? [] : [tests(`${folder}/[^/]*$`)];
  return [...own(file), ...near, all];
}

export const GROUPS: readonly Group[] = [
  {
    name: 'engine',
    files: /^src\/(core|mutex|lease|engine|drivers\/memory)\/.*\.ts$|^src\/(drivers\/memory|registry)\.ts$/,
    bound: 85,
    mutants: typescriptMutants,
    stages: ofEngine,
  },
  {
    name: 'app',
    files: /^src\/(app|setup|nestjs)\/.*\.ts$|^src\/(with-lock|running)\.ts$/,
    bound: 80,
    mutants: typescriptMutants,
    stages: ofApp,
  },
  {
    name: 'lua',
    files: /^src\/drivers\/redis\/lua\/.*\.lua$/,
    bound: 85,
    mutants: luaMutants,
    stages: ofLua,
  },
  {
    name: 'sql',
    files: /^src\/drivers\/postgres\/sql\/.*\.sql$/,
    bound: 85,
    mutants: sqlMutants,
    stages: () => [
      tests('test/drivers/postgres/(store.test|sql)'),
      tests('test/drivers/postgres/(store-conformance|store.model|guard)'),
      tests('test/drivers/postgres/(faults|standby)'),
    ],
  },
  {
    name: 'redis',
    files: /^src\/drivers\/redis\/(?!.*generated)[^/]*\.ts$/,
    bound: 85,
    mutants: typescriptMutants,
    stages: ofRedis,
  },
  {
    name: 'postgres',
    files: /^src\/drivers\/postgres\/(?!.*generated)[^/]*\.ts$/,
    bound: 85,
    mutants: typescriptMutants,
    stages: ofPostgres,
  },
];
