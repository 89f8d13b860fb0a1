import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readConfigFile } from '../../src/app/config-file.js';
import { ConfigError } from '../../src/app/errors.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'latchkey-file-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function failure(name: string, content?: string): Promise<ConfigError> {
  const path = join(folder, name);
  if (content !== undefined) await writeFile(path, content);
  const error = await readConfigFile(path).then(undefined, (reason) => reason);
  if (!(error instanceof ConfigError)) throw new Error(`expected a ConfigError, got ${error}`);
  expect(error.code).toBe('APP_CONFIG');
  expect(error.message).toContain(`file ${path} `);
  expect(error.mistakes).toHaveLength(1);
  return error;
}

test('the extension says whether it is TOML or JSON, and a byte order mark does no harm', async () => {
  await writeFile(join(folder, 'a.toml'), '\uFEFFa = 1');
  await writeFile(join(folder, 'a.JSON'), '\uFEFF{"a": 2}');
  expect(await readConfigFile(join(folder, 'a.toml'))).toEqual({ a: 1 });
  expect(await readConfigFile(join(folder, 'a.JSON'))).toEqual({ a: 2 });
});

test('a missing file is told by its path and the cause', async () => {
  const error = await failure('missing.toml');
  expect(error.message).toContain('cannot be read: ENOENT');
  expect(error.cause).toMatchObject({ code: 'ENOENT' });
});

test('another extension is refused', async () => {
  expect((await failure('a.yaml', '')).message).toContain('expected a .toml or .json file');
});

test.each(['redis://user:secret@cache:6379/0', 'redis://:secret@cache/no.toml'])(
  'an address in place of a path is told without its password: %s',
  async (path) => {
    const { message, mistakes } = await readConfigFile(path).then(undefined, (reason) => reason);
    expect(message).toContain('file redis://…@cache');
    expect(`${message}${mistakes}`).not.toContain('secret');
  },
);

test.each([
  ['a.toml', 'url = "redis://ok"\npassword = secret', 'line 2, column 12'],
  ['b.json', '{"password": secret}', 'not JSON'],
  ['c.json', '{"password": "secret",}', 'not JSON at position'],
])('what cannot be parsed is told by its place, without a word of it: %s', async (name, content, place) => {
  const { message, cause } = await failure(name, content);
  expect(message).toContain(`cannot be parsed: ${place}`);
  expect(message).not.toContain('secret');
  expect(cause).toBeUndefined();
});
