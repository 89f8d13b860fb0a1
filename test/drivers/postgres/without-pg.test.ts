import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { addBroken, bareModules } from '../../support/bare-package.js';
import { runSource } from '../../support/process.js';

let modules: string;

beforeAll(async () => {
  modules = await bareModules(['inversify', 'reflect-metadata', 'convict', 'smol-toml']);
});
afterAll(() => rm(join(modules, '..'), { recursive: true }));

const tell = () =>
  runSource(`
    const { postgresDriver } = await import('${modules}/latchkey/dist/index.js');
    const error = await postgresDriver({ url: 'postgres://me:secret@127.0.0.1:1/app' }).catch((error) => error);
    send({ name: error.name, message: error.message, cause: error.cause.code ?? error.cause.message });
  `).waitFor(() => true);

test('without pg, PostgreSQL is a LockConfigError that says what to install', async () => {
  expect(await tell()).toEqual({
    name: 'LockConfigError',
    message: 'lock: config: the driver "postgres" needs the package pg: npm install pg',
    cause: 'ERR_MODULE_NOT_FOUND',
  });
});

test('with a pg that breaks, PostgreSQL is a LockBackendError with its cause', async () => {
  await addBroken(modules, 'pg');
  expect(await tell()).toMatchObject({ name: 'LockBackendError', cause: 'broken on purpose' });
});
