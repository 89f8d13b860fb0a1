import { inspect } from 'node:util';
import { expect, test } from '@jest/globals';
import pg from 'pg';
import { dialler } from '../../../src/drivers/postgres/client.js';
import type { LentPool, PostgresOptions } from '../../../src/drivers/postgres/options.js';

interface Dialled {
  host: string;
  port: number;
  database: string;
  user: string;
  password: unknown;
  connectionParameters: {
    application_name?: string;
    database?: string;
    fallback_application_name?: string;
    ssl: unknown;
  };
}

const dialled = async (
  options: PostgresOptions | LentPool,
  purpose: 'commands' | 'messages' | 'renewals' = 'commands',
) => (await dialler(options)).dial(purpose) as unknown as Dialled;

const failure = (options: unknown) =>
  dialler(options as PostgresOptions).then(
    () => undefined,
    (error: Error & { code: string; option?: string }) => error,
  );

test('a URL says where to connect to, and what is shown of it has no password', async () => {
  const options = { url: 'postgres://me:secret@db:6000/app' };
  expect(await dialled(options)).toMatchObject({
    host: 'db',
    port: 6_000,
    database: 'app',
    password: 'secret',
  });
  expect(await dialler(options)).toMatchObject({
    address: 'db:6000/app',
    schema: 'latchkey',
    connections: 3,
  });
  expect((await dialler({ url: 'postgresql://me@db/app' })).address).toBe('db:5432/app');
});

test('messages take an address of their own, where one is given', async () => {
  const options = { url: 'postgres://me@pooler:1/app', listenUrl: 'postgres://me@direct:2/app' };
  expect(await dialled(options, 'messages')).toMatchObject({ host: 'direct', port: 2 });
  expect(await dialled(options, 'commands')).toMatchObject({ host: 'pooler', port: 1 });
  expect(await dialled(options, 'renewals')).toMatchObject({ host: 'pooler', port: 1 });
  const { listenUrl: _, ...same } = options;
  expect(await dialled(same, 'messages')).toMatchObject({ host: 'pooler', port: 1 });
});

test('without any address it is the local server, and beside options of pg it is what they say', async () => {
  expect(await dialled({ user: 'me' })).toMatchObject({ host: '127.0.0.1', port: 5_432 });
  expect(await dialled({ host: 'db' })).toMatchObject({ host: 'db' });
  expect(await dialled({ port: 7 })).toMatchObject({ port: 7 });
  expect(await dialled({ database: 'mine' })).toMatchObject({ host: 'localhost', database: 'mine' });
  expect(await dialled({ connectionString: 'postgres://x@y:9/z' })).toMatchObject({ host: 'y', port: 9 });
  expect(await dialler({ host: '/run/pg', database: 'd', user: 'me' })).toMatchObject({
    address: '/run/pg/d',
  });
});

test('what a URL leaves open is as the options say', async () => {
  const options = { user: 'you', password: 'hidden', host: 'other', port: 7, database: 'theirs' };
  const url = (url: string, more: object = {}) => dialled({ ...options, ...more, url });
  expect(await url('postgres://db')).toMatchObject({
    ...{ host: 'db', port: 5_432, user: 'you', password: 'hidden', database: 'theirs' },
  });
  expect(await url('postgres://me:secret@db:6000/app?sslmode=disable')).toMatchObject({
    ...{ host: 'db', port: 6_000, user: 'me', password: 'secret', database: 'app' },
  });
  expect(await url('postgres://me@db/?application_name=a')).toMatchObject({
    ...{ host: 'db', user: 'me', password: 'hidden', database: 'theirs' },
    connectionParameters: { application_name: 'a' },
  });
  expect(await url('postgres:///app?user=me&password=secret')).toMatchObject({
    ...{ host: 'other', port: 7, user: 'me', password: 'secret', database: 'app' },
  });
  expect(await url('postgres:///app?port=6000')).toMatchObject({ host: 'other', port: 6_000 });
  expect(await url('postgres://me@/app?host=%2Frun')).toMatchObject({
    ...{ host: '/run', port: 5_432, user: 'me', password: 'hidden', database: 'app' },
  });
  expect(await url('postgres://me:secret@/')).toMatchObject({
    ...{ host: 'other', port: 7, user: 'me', password: 'secret', database: 'theirs' },
  });
  const password = () => 'secret';
  expect((await url('postgres://me@db/app', { password })).password).toBe(password);
  const two = { ...options, listenUrl: 'postgres://db', connectionString: 'postgres://pooler' };
  expect(await dialled(two, 'messages')).toMatchObject({ host: 'db', user: 'you' });
  expect(await dialled(two)).toMatchObject({ host: 'pooler', user: 'you' });
  expect(await dialled({ user: 'you', password })).toMatchObject({
    host: '127.0.0.1',
    user: 'you',
    password,
  });
});

test('a database of any name is completed, and completes an address of any form', async () => {
  for (const database of ['a b', 'a?b', 'a#b', 'a%b', '50%25', 'ä/ö', '.']) {
    expect(await dialled({ url: 'postgres://me@db', database })).toMatchObject({ host: 'db', database });
    expect(await dialled({ url: 'postgres://me@db/?application_name=a', database })).toMatchObject({
      database,
      connectionParameters: { application_name: 'a', database },
    });
  }
  for (const [named, database] of [
    ['a b', 'a b'],
    ['a%20b', 'a b'],
    ['100%', '100%'],
    ['%C3%A4', 'ä'],
  ]) {
    const options = { host: '/run/postgresql', user: 'x+y', password: 'p' };
    expect(await dialled({ url: `postgres:///${named}`, ...options })).toMatchObject({
      ...{ host: '/run/postgresql', user: 'x+y', password: 'p', database },
    });
  }
});

test('a question mark in the query of a URL belongs to the value', async () => {
  const url = 'postgres://me@/app?host=/run/pg&password=a?b';
  expect(await dialled({ url, database: 'x' })).toMatchObject({
    ...{ host: '/run/pg', password: 'a?b', database: 'app' },
  });
});

test('a URL with a fragment is completed, too', async () => {
  const options = { host: '/run/pg', user: 'me', password: 'p', database: 'x' };
  expect(await dialled({ url: 'postgres:///#a?b', ...options })).toMatchObject(options);
  expect(await dialled({ url: 'postgres:///app?port=6#', ...options })).toMatchObject({
    ...{ ...options, port: 6, database: 'app' },
  });
});

test('a pool gives its options, the hidden password among them, under its own name or as an option; what is set beside it counts more', async () => {
  const pool = new pg.Pool({ host: 'db', port: 9, user: 'me', password: 'hidden' });
  for (const options of [pool as LentPool, { pool: pool as LentPool }])
    expect(await dialled(options)).toMatchObject({ host: 'db', port: 9, password: 'hidden' });
  expect(await dialled({ pool: pool as LentPool, url: 'postgres://u@there:1/d' })).toMatchObject({
    host: 'there',
  });
  const beside = { host: 'other', application_name: 'mine', port: undefined, password: undefined };
  expect(await dialled({ pool: pool as LentPool, ...beside })).toMatchObject({
    ...{ host: 'other', port: 9, password: 'hidden' },
    connectionParameters: { application_name: 'mine' },
  });
  expect(pool.totalCount).toBe(0);
  await pool.end();
});

test('sessions have a name, unless they are given one; that of the thread has always its own', async () => {
  const url = 'postgres://me@db/app';
  const named = async (options: PostgresOptions, purpose?: 'renewals') => {
    const { connectionParameters } = await dialled(options, purpose);
    return connectionParameters.application_name || connectionParameters.fallback_application_name;
  };
  expect(await named({ url })).toBe('latchkey');
  expect(await named({ url: `${url}?application_name=mine` })).toBe('mine');
  expect(await named({ url }, 'renewals')).toBe('latchkey-renewal');
  expect(await named({ url: `${url}?application_name=mine` }, 'renewals')).toBe('latchkey-renewal');
});

test.each([1, 2, 99, 100])('%d connections are taken', async (connections) => {
  expect(await dialler({ connections })).toMatchObject({ connections });
});

test.each(['a', '_x', 'a1_', 'a'.repeat(63)])('a schema of the name %s is taken', async (schema) => {
  expect(await dialler({ schema })).toMatchObject({ schema });
});

test.each([
  [{ connections: 0 }, 'postgres.connections'],
  [{ connections: 101 }, 'postgres.connections'],
  [{ connections: 1.5 }, 'postgres.connections'],
  [{ connections: '3' }, 'postgres.connections'],
  [{ schema: '' }, 'postgres.schema'],
  [{ schema: 'a'.repeat(64) }, 'postgres.schema'],
  [{ schema: '1a' }, 'postgres.schema'],
  [{ schema: 'a-b' }, 'postgres.schema'],
  [{ schema: 'xA' }, 'postgres.schema'],
  [{ schema: 'pg_mine' }, 'postgres.schema'],
  [{ schema: 7 }, 'postgres.schema'],
  [{ pool: {} }, 'postgres.pool'],
  [{ pool: { connect: () => {} } }, 'postgres.pool'],
  [{ pool: { options: {} } }, 'postgres.pool'],
  [{ url: 7 }, 'postgres.url'],
  [{ listenUrl: 7 }, 'postgres.listenUrl'],
  ['text', 'postgres'],
  [null, 'postgres'],
  [7, 'postgres'],
  [[], 'postgres'],
])('%j is a wrong option', async (options, option) => {
  expect(await failure(options)).toMatchObject({ code: 'LOCK_USAGE', option });
});

test.each([
  '#secret',
  '12#secret',
  'sec#ret',
  'a#b@c',
  '12/secret',
  '/secret',
  '?secret',
  '12?secret',
  '?a@b',
])('a #, a slash or a question mark in a password that is not encoded is refused: %s', async (password) => {
  const bad = `postgres://me:${password}@db/app`;
  const good = 'postgres://me:x@db/app';
  for (const options of [{ url: bad }, { url: good, listenUrl: bad }, { connectionString: bad }]) {
    const error = await failure(options);
    expect(error).toMatchObject({ code: 'LOCK_CONFIG', message: expect.stringContaining('%23') });
    expect(inspect(error)).not.toContain(password);
  }
  const url = `postgres://me:${encodeURIComponent(password)}@db/app`;
  expect(await dialled({ url })).toMatchObject({ host: 'db', user: 'me', password, database: 'app' });
});

test.each([
  ['postgres://db?application_name=a@b', { host: 'db' }],
  ['postgres://db/app?user=a@b', { host: 'db', user: 'a@b', database: 'app' }],
  ['postgres:///app?host=/run&user=a@b', { host: '/run', user: 'a@b', database: 'app' }],
  ['socket:///run/a@b?db=app', { host: '/run/a@b', database: 'app' }],
])('an @ that belongs to no login is taken: %s', async (connectionString, expected) => {
  expect(await dialled({ connectionString })).toMatchObject(expected);
});

test('a database with an @ is given beside the URL: pg does not decode it in one', async () => {
  const error = await failure({ url: 'postgres://db/a@b' });
  expect(error).toMatchObject({
    code: 'LOCK_CONFIG',
    message: expect.stringContaining('given as `database`'),
  });
  expect(await dialled({ url: 'postgres://db', database: 'a@b' })).toMatchObject({ database: 'a@b' });
  expect(await dialled({ url: 'postgres://db/a%40b' })).toMatchObject({ database: 'a%40b' });
});

test('an address as the host is refused, and its password not shown', async () => {
  const error = await failure({ host: 'postgres://me:secret@h/db' });
  expect(error).toMatchObject({ code: 'LOCK_USAGE', option: 'postgres.host' });
  expect(error!.message).toContain('"postgres://…@h/db"');
});

test.each(['url', 'listenUrl'])('a wrong %s is told by its name, without what it says', async (option) => {
  for (const url of ['http://me:secret@h', 'xpostgres://me:secret@h', 'postgres:/me:secret@h']) {
    const error = await failure({ [option]: url });
    expect(error).toMatchObject({ code: 'LOCK_CONFIG' });
    expect(error!.message).toContain(`\`${option}\``);
    expect(error!.message).not.toContain('secret');
  }
});

test('a URL that cannot be read is told without what it says, and without its cause', async () => {
  const error = await failure({ url: 'postgres://me:secret@h:port' });
  expect(error).toMatchObject({
    code: 'LOCK_CONFIG',
    message: expect.stringContaining('the PostgreSQL URL cannot be read'),
  });
  expect(error!.cause).toBe(undefined);
});

test('text that is passed for options is not shown', async () => {
  expect((await failure('postgres://me:secret@h'))!.message).not.toContain('secret');
});
