import { expect, test } from '@jest/globals';
import { runSource } from './support/process.js';

const LOADED = `
  import { createRequire } from 'node:module';
  const loaded = () => Object.keys(createRequire(import.meta.url).cache).some((file) => /node_modules.ioredis/.test(file));
`;

test('a memory app never loads ioredis, and one on Redis does', async () => {
  const child = runSource(`${LOADED}
    import { createApp, lock, lockProvider, redisDriver } from 'latchkey';
    const app = await createApp({ env: {} }).install(lockProvider).start();
    await lock.L().with('k', () => {});
    send({ memory: loaded() });
    await app.stop();
    const driver = await redisDriver();
    send({ redis: loaded() });
    await driver.close();
  `);
  expect(await child.exited).toEqual({ code: 0, signal: null });
  expect(child.messages).toEqual([{ memory: false }, { redis: true }]);
});

// A folder of the package's own `dist`.
const OURS = /^(?:(?!node_modules).)*\/dist\/([^/]+)\//;

/** What `import(specifier)` loads in a process that has loaded nothing else: packages, and the folders of ours. */
async function loadedBy(specifier: string): Promise<{ packages: string[]; folders: string[] }> {
  const child = runSource(`
    import { Session } from 'node:inspector';
    const session = new Session();
    session.connect();
    const scripts = new Set();
    session.on('Debugger.scriptParsed', ({ params }) => scripts.add(params.url.replace(/^file:../, '')));
    session.post('Debugger.enable');
    await import('${specifier}');
    send({ scripts: [...scripts] });
    session.disconnect();
  `);
  expect(await child.exited).toEqual({ code: 0, signal: null });
  const scripts = child.messages[0]!.scripts as string[];
  const packages = scripts.map((script) => /node_modules.((?:@[^/]+.)?[^/]+)/.exec(script)?.[1]);
  const folders = scripts.map((script) => OURS.exec(script)?.[1]);
  const sorted = (names: (string | undefined)[]) =>
    [...new Set(names)].filter((name) => name !== undefined).sort();
  return { packages: sorted(packages), folders: sorted(folders) };
}

const LOCKS = ['core', 'drivers', 'engine', 'lease', 'mutex', 'text'];
const NEST = ['@nestjs/common', 'reflect-metadata', 'rxjs'];

test.each([
  ['latchkey/mutex', [], ['core', 'mutex', 'text']],
  ['latchkey/locks', [], LOCKS],
  ['latchkey/testing', [], LOCKS.concat('testing').sort()],
])('%s loads no package, and of ours no more than it needs', async (specifier, packages, folders) => {
  expect(await loadedBy(specifier)).toEqual({ packages, folders });
});

test('latchkey/nestjs loads Nest, and neither inversify nor a client of a backend', async () => {
  const { packages, folders } = await loadedBy('latchkey/nestjs');
  expect(packages).toEqual(expect.arrayContaining(NEST));
  for (const other of ['inversify', 'ioredis', 'convict', 'pg']) expect(packages).not.toContain(other);
  expect(folders).toEqual([...LOCKS, 'nestjs', 'setup'].sort());
});

test('latchkey loads inversify and what reads configuration, and no client of a backend', async () => {
  const { packages, folders } = await loadedBy('latchkey');
  expect(packages.filter((name) => !/^@inversifyjs|^lodash|^yargs|^minimist/.test(name))).toEqual([
    'convict',
    'inversify',
    'reflect-metadata',
    'smol-toml',
  ]);
  expect(folders).toEqual(['app', ...LOCKS, 'setup'].sort());
});

test('require() gives the same module as import()', async () => {
  const child = runSource(`
    import { createRequire } from 'node:module';
    const require = createRequire(process.cwd() + '/x.js');
    for (const entry of ['latchkey', 'latchkey/locks', 'latchkey/mutex', 'latchkey/nestjs', 'latchkey/testing'])
      send({ entry, same: require(entry) === await import(entry) });
  `);
  expect(await child.exited).toEqual({ code: 0, signal: null });
  expect(child.messages).toHaveLength(5);
  expect(child.messages.filter(({ same }) => same !== true)).toEqual([]);
});

test('a start that fails for want of a server leaves nothing open: the process ends by itself', async () => {
  const child = runSource(`
    import { createApp, lockProvider } from 'latchkey';
    const env = { LOCK_PROVIDER: 'redis', LOCK_REDIS_URL: 'redis://127.0.0.1:9' };
    await createApp({ env }).install(lockProvider).start().catch((error) => send({ code: error.code }));
  `);
  expect(await child.exited).toEqual({ code: 0, signal: null });
  expect(child.messages).toEqual([{ code: 'LOCK_BACKEND' }]);
});
