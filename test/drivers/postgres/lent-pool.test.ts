import { expect, test } from '@jest/globals';
import pg from 'pg';
import { LockUsageError } from '../../../src/core/errors.js';
import { postgresDriver } from '../../../src/drivers/postgres/driver.js';
import { checkLentPool } from '../../../src/drivers/postgres/lent-pool.js';
import type { PostgresOptions } from '../../../src/drivers/postgres/options.js';
import { lockProvider } from '../../../src/index.js';

const password = 'hunter2';

test.each<[string, object]>([
  ['a client of pg', new pg.Client({ host: 'db', password })],
  ['a data source of another package', { options: { username: 'me', password }, connect() {}, query() {} }],
  ['an instance of another package', { config: { host: 'db', password }, query() {} }],
])('%s is refused where a pool belongs, before anything is sent over it', async (_, given) => {
  const client = given as PostgresOptions;
  const refused = expect.objectContaining({ option: 'postgres', message: expect.stringMatching(/pg\.Pool/) });
  expect(() => checkLentPool(client)).toThrow(LockUsageError);
  expect(() => lockProvider({ postgres: client })).toThrow(refused);
  const made = postgresDriver(client);
  await expect(made).rejects.toEqual(refused);
  await expect(made).rejects.not.toThrow(password);
});

test('pools and options are taken', async () => {
  const pool = new pg.Pool({ host: 'db' });
  for (const good of [pool, { pool }, { host: 'db', stream: () => {} }, { url: 'postgres://db' }, {}])
    expect(() => checkLentPool(good)).not.toThrow();
  await pool.end();
});
