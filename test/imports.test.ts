import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { expect, test } from '@jest/globals';

const root = join(process.cwd(), 'src');
const files = readdirSync(root, { recursive: true })
  .map(String)
  .filter((file) => file.endsWith('.ts'));
const sources = new Map(files.map((file) => [file, readFileSync(join(root, file), 'utf8')]));

const IMPORT =
  /^\s*(import|export)\s+(type\s)?[^;'"]*?from\s+['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)|^import\s+['"]([^'"]+)['"]/gm;

/** What a file imports: files of `src`, by their path in it, and packages. */
function imports(file: string): { target: string; typeOnly: boolean }[] {
  return [...sources.get(file)!.matchAll(IMPORT)].map(([, , type, from, dynamic, bare]) => {
    const specifier = (from ?? dynamic ?? bare)!;
    const target = specifier.startsWith('.')
      ? relative(root, join(root, dirname(file), specifier)).replace(/\.js$/, '.ts')
      : specifier;
    return { target, typeOnly: type !== undefined };
  });
}

const partOf = (file: string) => (file.includes('/') ? file.slice(0, file.indexOf('/')) : file);

/** What each part of `src` may know, beside itself and `text`. */
const MAY_KNOW: Record<string, string[]> = {
  core: [],
  mutex: ['core'],
  lease: ['core', 'mutex'],
  engine: ['core', 'mutex', 'lease'],
  drivers: ['core', 'mutex', 'lease', 'engine'],
  'registry.ts': ['core', 'lease', 'drivers'],
  'running.ts': ['core', 'lease', 'registry.ts'],
  'with-lock.ts': ['core', 'lease', 'running.ts'],
  'locks.ts': ['core', 'mutex', 'lease', 'drivers', 'registry.ts', 'running.ts', 'with-lock.ts'],
  setup: ['core', 'lease', 'drivers', 'registry.ts'],
  app: ['core', 'lease', 'drivers', 'registry.ts', 'running.ts', 'setup'],
  nestjs: ['core', 'lease', 'registry.ts', 'running.ts', 'setup'],
  cli: ['core', 'lease', 'drivers', 'registry.ts', 'setup', 'app'],
  opentelemetry: ['core', 'lease'],
  testing: ['core', 'mutex', 'lease', 'engine', 'drivers', 'registry.ts'],
  'index.ts': ['app', 'locks.ts', 'setup'],
};

/** Which packages may be imported where; `node:` everywhere. */
const PACKAGES: Record<string, (file: string) => boolean> = {
  inversify: (file) => file.startsWith('app/'),
  'reflect-metadata': (file) => file.startsWith('app/'),
  '@nestjs/common': (file) => file.startsWith('nestjs/'),
  ioredis: (file) => file.startsWith('drivers/redis/') || file === 'cli/doctor/redis-client.ts',
  pg: (file) => file.startsWith('drivers/postgres/'),
  convict: (file) => file.startsWith('app/'),
  'smol-toml': (file) => file.startsWith('app/'),
  '@opentelemetry/api': (file) => file.startsWith('opentelemetry/'),
  commander: (file) => file.startsWith('cli/'),
  'cli-table3': (file) => file.startsWith('cli/'),
  'string-width': (file) => file.startsWith('cli/'),
  'ansi-escapes': (file) => file.startsWith('cli/'),
};

test('the check sees the files and their imports', () => {
  expect(files.length).toBeGreaterThan(20);
  expect(imports('mutex/keyed-mutex.ts')).toContainEqual({ target: 'mutex/wait-queue.ts', typeOnly: false });
  expect(imports('registry.ts')).toContainEqual({ target: 'lease/locker.ts', typeOnly: true });
});

test.each(files)('src/%s imports what it may', (file) => {
  for (const { target } of imports(file)) {
    if (target.startsWith('node:')) continue;
    if (sources.has(target)) {
      const allowed = ['text', partOf(file), ...(MAY_KNOW[partOf(file)] ?? [])];
      expect(allowed).toContain(partOf(target));
    } else {
      expect(PACKAGES[target]?.(file)).toBe(true);
    }
  }
});

test('ioredis is loaded only when it is needed', () => {
  const eager = files.flatMap((file) =>
    [...sources.get(file)!.matchAll(/^import\s+(?!type\b).*from\s+['"]ioredis['"]/gm)].map(() => file),
  );
  expect(eager).toEqual([]);
});

test('process.env is read in the app and the command only, and NODE_ENV in one file of the core', () => {
  const uses = files.flatMap((file) =>
    [...sources.get(file)!.matchAll(/\bprocess\.env\b(\.\w+)?|\benv\b.*from 'node:process'/g)].map(
      ([, variable]) => `${file} ${variable ?? 'all'}`,
    ),
  );
  expect([...new Set(uses)].filter((use) => !/^(app|cli)\//.test(use))).toEqual([
    'core/node-env.ts .NODE_ENV',
  ]);
});

test('nothing that runs imports itself in a circle', () => {
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (file: string, path: string[]) => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' -> '));
    if (done.has(file) || path.includes(file)) return;
    for (const { target, typeOnly } of imports(file)) {
      if (!typeOnly && sources.has(target)) visit(target, [...path, file]);
    }
    done.add(file);
  };
  for (const file of files) visit(file, []);
  expect(circles).toEqual([]);
});

test('the app knows of locks in app/lock only', () => {
  const own = /^(text|app(?!\/lock))\//;
  const host = files.filter((file) => file.startsWith('app/') && !file.startsWith('app/lock/'));
  const outside = host.flatMap((file) => imports(file).filter(({ target }) => sources.has(target)));
  expect(outside.filter(({ target }) => !own.test(target))).toEqual([]);
});
