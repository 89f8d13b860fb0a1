import { expect, test } from '@jest/globals';
import pg from 'pg';
import type { LentPool, PostgresOptions } from '../../../src/drivers/postgres/options.js';
import { renewalThread } from '../../../src/drivers/postgres/renewal-thread.js';

const sent = (postgres: LentPool | PostgresOptions) => (renewalThread(postgres) as { store: object }).store;

test('the thread is sent the options, also those within', () => {
  const options = {
    url: 'postgres://me@db/app',
    schema: 'mine',
    ssl: { ca: 'one', rejectUnauthorized: false },
  };
  expect(sent(options)).toEqual(options);
  expect(sent({})).toEqual({});
});

test('of a pool it is sent the settings, passwords and keys among them, and none that make no connection', () => {
  const ssl = Object.defineProperty({ ca: 'one' }, 'key', { value: 'hidden key', enumerable: false });
  const pool = new pg.Pool({
    ...{ host: 'db', password: 'hidden', ssl, log: () => {}, verify: () => {}, types: pg.types },
    onConnect: () => {},
  });
  for (const postgres of [pool as LentPool, { pool: pool as LentPool }]) {
    const store = sent(postgres) as { ssl: object };
    expect(store).toMatchObject({ host: 'db', password: 'hidden', ssl: { ca: 'one', key: 'hidden key' } });
    expect(Object.keys(store)).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/^(Client|Promise|log|verify|onConnect|types|pool)$/)]),
    );
    expect(structuredClone(store)).toEqual(store);
  }
  const beside = { host: 'other', schema: 'mine', password: undefined };
  expect(sent({ pool: pool as LentPool, ...beside })).toMatchObject({
    host: 'other',
    schema: 'mine',
    password: 'hidden',
  });
});

test('what is no plain object goes as it is', () => {
  const ca = Buffer.from('one');
  const { ssl } = sent({ ssl: { ca: [ca], none: null } }) as { ssl: { ca: unknown[]; none: null } };
  expect(ssl.ca[0]).toBe(ca);
  expect(ssl.none).toBe(null);
});

test('what cannot be sent to a thread is named', () => {
  expect(renewalThread({ host: 'db', password: () => 'secret' })).toEqual({
    impossible: expect.stringContaining('the PostgreSQL option `password`'),
  });
});
