import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import pg from 'pg';
import type { Ask } from '../../../src/drivers/postgres/link.js';
import { ensureSchema, postgresSchema } from '../../../src/drivers/postgres/schema.js';
import { freePort } from '../../support/port.js';
import { type PostgresServer, startPostgres } from '../../support/postgres-server.js';
import { runSource } from '../../support/process.js';
import { deferred, until } from '../../support/wait.js';
import { ask, closeAll, freshKey, open, take } from './support/rig.js';

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres(['wal_level=replica']);
});
afterAll(() => server.stop());
afterEach(closeAll);

const role = async (name: string, attributes = '') => {
  await server.ask(`CREATE ROLE ${name} LOGIN PASSWORD '${server.password}' ${attributes}`);
  return name;
};

const reasonOf = (promise: Promise<unknown>): Promise<Error & { code?: string }> =>
  promise.then(
    () => Promise.reject(new Error('expected a rejection')),
    (error) => error,
  );

/** As the driver asks, over a client of the test. */
function asking(client: pg.Client): Ask {
  return async (statement, values) => {
    const text = typeof statement === 'string' ? statement : statement.text;
    const types = { getTypeParser: () => (value: unknown) => value } as never;
    const { rows } = await client
      .query({ text, types, rowMode: 'array', ...(values && { values: [...values] }) })
      .catch((cause) => Promise.reject(new Error('failed', { cause })));
    return { rows: (rows ?? []) as never, sentAt: 0 };
  };
}

test('many processes that start at once make one schema', async () => {
  const drivers = await Promise.all(
    Array.from({ length: 8 }, () => open({ url: server.url(), schema: 'at_once' })),
  );
  const key = freshKey();
  const grants = await Promise.all(drivers.map((driver) => ask(driver, key)));
  expect(grants.filter((grant) => grant !== null)).toHaveLength(1);
  expect(await server.ask('SELECT version FROM at_once.version')).toEqual([{ version: 1 }]);
});

test('a process that has waited for another one to make the schema finds it made', async () => {
  const [first, second] = [asking(await server.client()), asking(await server.client())];
  const [made, commit] = [deferred(), deferred()];
  const slowly: Ask = async (statement, values) => {
    if (statement === 'COMMIT') {
      made.resolve();
      await commit.promise;
    }
    return first(statement, values);
  };
  const making = ensureSchema(slowly, 'waited');
  await made.promise;
  const both = Promise.all([making, ensureSchema(second, 'waited')]);
  const waiting = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
  await until(async () => (await server.ask(waiting)).length === 1);
  commit.resolve();
  await both;
  expect(await server.ask('SELECT version FROM waited.version')).toEqual([{ version: 1 }]);
  // All were written by the transaction that made the schema.
  const written = await server.ask<{ own: boolean }>(
    'SELECT DISTINCT p.xmin = n.xmin AS own FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace ' +
      "WHERE n.nspname = 'waited'",
  );
  expect(written).toEqual([{ own: true }]);
});

test('a process of an older release that has waited for a newer one to make the schema is refused', async () => {
  const [newer, older] = [asking(await server.client()), asking(await server.client())];
  const [made, commit] = [deferred(), deferred()];
  const slowly: Ask = async (statement, values) => {
    if (statement === 'COMMIT') {
      made.resolve();
      await commit.promise;
    }
    return newer(statement, values);
  };
  const upgrades = ['ALTER TABLE latchkey.lock ADD COLUMN extra int'];
  const making = ensureSchema(slowly, 'overtaken', { upgrades });
  await made.promise;
  const refused = reasonOf(ensureSchema(older, 'overtaken'));
  const waiting = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
  await until(async () => (await server.ask(waiting)).length === 1);
  commit.resolve();
  await making;
  expect(await refused).toMatchObject({
    code: 'LOCK_CONFIG',
    message: expect.stringContaining('"overtaken" has version 2, and this release of latchkey knows 1'),
  });
});

test('a role that may not make the schema is told which right it lacks, and what to run', async () => {
  const user = await role('poor');
  const driver = await open({ url: server.url({ user }), schema: 'not_there' }, true);
  const { code, message } = await reasonOf(driver.ping());
  expect(code).toBe('LOCK_CONFIG');
  expect(message).toContain(
    'the role "poor" in the database "postgres" may not create the schema "not_there"',
  );
  expect(message).toContain('CREATE on the database');
  expect(message).toContain('`npx latchkey postgres-schema --schema not_there --role poor`');
  const refused = await reasonOf(ask(driver, freshKey()));
  expect(refused.code).toBe('LOCK_BACKEND');
  expect(refused.message).toContain('CREATE on the database');
});

test('postgresSchema() refuses a role without a name', () => {
  expect(() => postgresSchema('made', '')).toThrow(
    expect.objectContaining({ code: 'LOCK_USAGE', option: 'role' }),
  );
});

test('the SQL of postgresSchema() makes all that another role needs', async () => {
  const user = await role('clerk');
  await server.ask(postgresSchema('made', user));
  const driver = await open({ url: server.url({ user }), schema: 'made' });
  const grant = await take(driver, freshKey());
  expect(await driver.release(grant)).toBe(true);
  expect(await driver.inspect(grant.key)).toBe(null);
});

test('a role that may not use the schema, or not all of it, is told so', async () => {
  const user = await role('guest');
  await server.ask(postgresSchema('closed'));
  const driver = await open({ url: server.url({ user }), schema: 'closed' }, true);
  expect((await reasonOf(driver.ping())).message).toContain('lacks USAGE on the schema "closed"');
  await server.ask(
    'GRANT USAGE ON SCHEMA closed TO guest; GRANT SELECT ON ALL TABLES IN SCHEMA closed TO guest',
  );
  await until(async () => (await reasonOf(driver.ping())).message.includes('INSERT on closed.lock'), 5_000);
  await server.ask(
    `GRANT ALL ON ALL TABLES IN SCHEMA closed TO guest; GRANT ALL ON SEQUENCE closed.places TO guest`,
  );
  await until(() => driver.ping().then(() => true), 5_000, 'it to notice');
});

test('a role that may not call the functions is told so, also in a schema with functions of others', async () => {
  const user = await role('outsider');
  await server.ask(
    `CREATE SCHEMA shared; CREATE FUNCTION shared.others() RETURNS int LANGUAGE sql AS 'SELECT 1'`,
  );
  await open({ url: server.url(), schema: 'shared' });
  await server.ask(`GRANT USAGE ON SCHEMA shared TO outsider; GRANT ALL ON ALL TABLES IN SCHEMA shared TO outsider;
    GRANT ALL ON SEQUENCE shared.places TO outsider; REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA shared FROM PUBLIC`);
  const driver = await open({ url: server.url({ user }), schema: 'shared' }, true);
  const reason = await reasonOf(driver.ping());
  expect(reason.message).toContain('lacks EXECUTE on the functions of shared');
  expect(reason.code).toBe('LOCK_CONFIG');
  await server.ask(
    'GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA shared TO outsider; REVOKE EXECUTE ON FUNCTION shared.others FROM outsider',
  );
  await until(() => driver.ping().then(() => true), 5_000, 'it to notice');
});

test('a schema of a newer release is refused', async () => {
  await server.ask(postgresSchema('newer'));
  await server.ask('UPDATE newer.version SET version = 7');
  const driver = await open({ url: server.url(), schema: 'newer' }, true);
  const { code, message } = await reasonOf(driver.ping());
  expect(code).toBe('LOCK_CONFIG');
  expect(message).toContain('"newer" has version 7, and this release of latchkey knows 1');
});

test('an older schema is upgraded once, while a process of the older release goes on', async () => {
  const older = await open({ url: server.url(), schema: 'older' });
  const grant = await take(older, freshKey());
  // A table without a key cannot be changed then.
  await server.ask('CREATE PUBLICATION published FOR TABLES IN SCHEMA older');
  const upgrades = ['ALTER TABLE latchkey.lock ADD COLUMN extra int; CREATE TABLE latchkey.counted (n int);'];
  const clients = await Promise.all([server.client(), server.client()]);
  await Promise.all(clients.map((client) => ensureSchema(asking(client), 'older', { upgrades })));
  expect(await server.ask('SELECT version FROM older.version')).toEqual([{ version: 2 }]);
  await Promise.all(clients.map((client) => client.end()));
  expect(await older.release(grant)).toBe(true);
  const again = await take(older, grant.key);
  expect(again.fence).toBeGreaterThan(grant.fence);
  // It may lose its connections meanwhile, and only a new one is refused.
  await server.ask(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'latchkey'`,
  );
  await until(() => older.release(again), 5_000);
  const newcomer = await open({ url: server.url(), schema: 'older' }, true);
  expect((await reasonOf(newcomer.ping())).message).toContain('has version 2');
});

test('an upgrade that the role may not make names what it lacks', async () => {
  const user = await role('tenant');
  await server.ask(postgresSchema('rented', user));
  const client = await server.client({ connectionString: server.url({ user }) });
  const { code, message } = await reasonOf(
    ensureSchema(asking(client), 'rented', { upgrades: ['ALTER TABLE latchkey.lock ADD COLUMN extra int'] }),
  );
  await client.end();
  expect(code).toBe('LOCK_CONFIG');
  expect(message).toContain('may not upgrade the schema "rented"');
});

test('a pool that is lent is asked for nothing but its settings, and stays open', async () => {
  const pool = new pg.Pool({
    host: '127.0.0.1',
    port: server.port,
    user: 'postgres',
    password: () => Promise.resolve(server.password),
    application_name: 'mine',
    max: 1,
  });
  pool.on('connect', () => {
    throw new Error('a connection of the pool was used');
  });
  for (const lent of [pool, { pool, schema: 'lent' }]) {
    const driver = await open(lent);
    expect(await driver.release(await take(driver, freshKey()))).toBe(true);
  }
  const names = await server.ask(`SELECT FROM pg_stat_activity WHERE application_name = 'mine'`);
  expect(names).toHaveLength(8);
  await closeAll();
  expect([pool.totalCount, pool.ended]).toEqual([0, false]);
  await pool.end();
});

test('a service that has taught pg other types, or has other defaults, is served all the same', async () => {
  const user = await role('strange', 'SUPERUSER');
  for (const setting of [
    `default_transaction_isolation = 'serializable'`,
    `bytea_output = 'escape'`,
    `DateStyle = 'German'`,
    `TimeZone = 'Asia/Kolkata'`,
    `search_path = ''`,
    `extra_float_digits = -15`,
    `array_nulls = off`,
  ]) {
    await server.ask(`ALTER ROLE ${user} SET ${setting}`);
  }
  const { builtins, setTypeParser, getTypeParser } = pg.types;
  const before = getTypeParser(builtins.INT8);
  setTypeParser(builtins.INT8, (text) => BigInt(text) as never);
  try {
    const [one, two] = [await open({ url: server.url({ user }) }), await open({ url: server.url({ user }) })];
    const key = freshKey();
    const grant = await take(one, key);
    const next = take(two, key, { wait: 5_000 });
    await until(async () => (await two.inspect(key))?.waiters === 1);
    expect(await one.extend(grant, 10_000)).toMatchObject({ fence: grant.fence });
    expect(await one.release(grant)).toBe(true);
    expect((await next).fence).toBeGreaterThan(grant.fence);
    expect(Number.isSafeInteger((await next).fence)).toBe(true);
  } finally {
    setTypeParser(builtins.INT8, before as never);
  }
});

test('a schema whose name has 63 characters serves all statements', async () => {
  const options = { url: server.url(), schema: 's'.repeat(63) };
  const [one, two] = [await open(options), await open(options)];
  const key = freshKey();
  const grant = await take(one, key);
  const next = take(two, key, { wait: 5_000 });
  await until(async () => (await one.inspect(key))?.waiters === 1);
  expect(await one.extend(grant, 10_000)).toMatchObject({ fence: grant.fence });
  expect(await one.release(grant)).toBe(true);
  expect(await two.release(await next)).toBe(true);
});

test('a database in another encoding keeps keys, tokens and meta data', async () => {
  await server.ask(`CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'`);
  const driver = await open({ url: server.url({ database: 'latin' }) });
  const key = `${freshKey()}🔑`;
  const grant = await take(driver, key, { token: 'Ω 1', meta: { name: '🔑' } });
  expect((await driver.inspect(key))?.holders[0]?.meta).toEqual({ name: '🔑' });
  expect(await driver.release(grant)).toBe(true);
});

test('an address for messages in another database is a wrong setting: nobody there would hear of this process', async () => {
  await server.ask('CREATE DATABASE elsewhere');
  const driver = await open({ url: server.url(), listenUrl: server.url({ database: 'elsewhere' }) }, true);
  const error = await reasonOf(driver.ping());
  expect(error.code).toBe('LOCK_CONFIG');
  expect(error.message).toContain('`listenUrl` must name the same one as `url`');
  expect((await reasonOf(ask(driver, freshKey()))).message).toContain('`listenUrl`');
});

test('an address without a password is completed by a function that gives one', async () => {
  const url = `postgres://postgres@127.0.0.1:${server.port}/postgres`;
  const driver = await open({ url, password: async () => server.password });
  expect(await driver.release(await take(driver, freshKey()))).toBe(true);
});

test('no message shows a password', async () => {
  const port = server.port;
  const wrong = [
    { url: `postgres://postgres:hunter2@127.0.0.1:${port}/postgres` },
    { url: `postgres://postgres:hunter2@127.0.0.1:1/postgres` },
    { host: '127.0.0.1', port, user: 'postgres', password: 'hunter2' },
  ];
  for (const options of wrong) {
    const driver = await open(options, true);
    const error = await reasonOf(driver.ping());
    expect(error.code).toBe('LOCK_BACKEND');
    expect(shown(error)).not.toContain('hunter2');
  }
  for (const url of ['http://u:hunter2@h', 'postgres://u:hunter2@h:port']) {
    const error = await reasonOf(open({ url }, true));
    expect(error.code).toBe('LOCK_CONFIG');
    expect(shown(error)).not.toContain('hunter2');
  }

  function shown(error: unknown): string {
    if (!(error instanceof Error)) return JSON.stringify(error) ?? '';
    return `${error.message} ${error.stack} ${JSON.stringify(error)} ${shown(error.cause)}`;
  }
});

test('a process that waits for a lock while the server is away lives until it is told so', async () => {
  const worker = runSource(
    `import { LockRegistry, postgresDriver } from 'latchkey/locks';
    const registry = new LockRegistry()
      .registerDriver('postgres', () => postgresDriver({ url: process.env.AWAY }))
      .registerLocker('default', { driver: 'postgres' });
    registry.mustOf().acquire('key', { wait: '4s' }).catch(async ({ code }) => {
      send({ code });
      await registry.close();
    });`,
    { AWAY: `postgres://127.0.0.1:${await freePort()}/postgres` },
  );
  expect(await worker.waitFor(({ code }) => code !== undefined)).toEqual({ code: 'LOCK_BACKEND' });
  expect(await worker.exited).toEqual({ code: 0, signal: null });
});
