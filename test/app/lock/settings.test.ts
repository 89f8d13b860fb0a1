import { describe, expect, test } from '@jest/globals';
import pg from 'pg';
import type { LockConfig } from '../../../src/app/lock/schema.js';
import { type Settled, withConfig } from '../../../src/app/lock/settings.js';
import type { LockProviderOptions } from '../../../src/setup/options.js';

const configured = (options: LockProviderOptions, lock: Partial<LockConfig>) =>
  withConfig(options, { config: { get: () => lock }, env: {} } as unknown as Settled);

describe('where PostgreSQL is', () => {
  const postgres = { url: 'postgres://code', max: 3 };

  test('is as code says where nothing is configured', () => {
    expect(configured({ postgres }, {}).postgres).toEqual(postgres);
    expect(configured({}, {})).not.toHaveProperty('postgres');
  });

  test('a schema that is configured leaves the address as it is', () => {
    const options = configured({ postgres }, { postgres: { schema: 'other' } }).postgres;
    expect(options).toEqual({ url: 'postgres://code', max: 3, schema: 'other' });
  });

  test('an address that is configured beats the one in code, and leaves the rest', () => {
    const options = configured({ postgres }, { postgres: { url: 'postgres://env' } }).postgres;
    expect(options).toEqual({ url: 'postgres://env', max: 3 });
  });

  test('a pool that is lent keeps its address, and takes the schema', async () => {
    const pool = new pg.Pool();
    const lock = { postgres: { url: 'postgres://env', schema: 'other' } };
    expect(configured({ postgres: pool }, lock).postgres).toEqual({ pool, schema: 'other' });
    expect(configured({ postgres: { pool } }, lock).postgres).toEqual({ pool, schema: 'other' });
    await pool.end();
  });
});
