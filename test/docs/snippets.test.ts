import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type PostgresServer, startPostgres } from '../support/postgres-server.js';
import { type RedisServer, startRedis } from '../support/redis-server.js';
import { documents, fences, root } from './documents.js';
import { snippets, tryAll, type Verdict } from './snippets.js';

const pages = documents();
let redis: RedisServer;
let postgres: PostgresServer;
let verdicts: Map<string, Verdict>;

beforeAll(async () => {
  [redis, postgres] = await Promise.all([startRedis(), startPostgres()]);
  const env = { REDIS_URL: redis.url, DATABASE_URL: postgres.url() };
  verdicts = await tryAll('snippets', pages, env);
}, 240_000);
afterAll(() => Promise.all([redis.stop(), postgres.stop()]));

describe('the program at', () => {
  test.each(pages.flatMap(snippets).map(({ at }) => at))('%s compiles and runs', (at) => {
    expect(verdicts.has(at)).toBe(true);
    expect(verdicts.get(at)).toBeUndefined();
  });
});

test('every npm script in a shell snippet is there', () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: object };
  const builtIn = ['install', 'ci', 'i', 'pack', 'publish', 'exec', 'version', 'add'];
  const shell = pages.flatMap(fences).filter(({ language }) => ['sh', 'bash', 'shell'].includes(language));
  const named = shell.flatMap(({ code }) =>
    [...code.matchAll(/\bnpm (?:run )?([a-z][\w:-]*)/g)].map(([, name]) => name!),
  );
  for (const name of named) expect([...builtIn, ...Object.keys(scripts)]).toContain(name);
});

test('a wrong program is found out: a type error, a throw, one that is never done, and one that prints something else', async () => {
  const text = [
    '```ts',
    "import { mutex } from 'latchkey';",
    'mutex.tryLock();',
    '```',
    '',
    '```ts',
    "import { mutex } from 'latchkey';",
    "mutex.lock('a');",
    '```',
    '',
    'Then:',
    '',
    '<!-- snippet: continues -->',
    '',
    '```ts',
    "mutex.unlock('b');",
    '```',
    '',
    '```ts',
    'console.log(1 + 1); // 2',
    '```',
    '',
    '```ts',
    "import { mutex } from 'latchkey';",
    "await mutex.lock('a');",
    "await mutex.lock('a');",
    '```',
    '',
    '```ts',
    'console.log(1 + 1); // 3',
    '```',
    '',
  ].join('\n');
  const found = await tryAll('wrong-snippets', [{ path: 'wrong.md', text }], {});
  expect([...found.keys()]).toHaveLength(5);
  expect(found.get('wrong.md:2')).toContain('wrong-2.ts(3,');
  expect(found.get('wrong.md:7')).toContain('LockNotHeldError');
  expect(found.get('wrong.md:20')).toBeUndefined();
  expect(found.get('wrong.md:24')).toContain('ended 13');
  expect(found.get('wrong.md:30')).toContain('got: 2');
}, 60_000);
