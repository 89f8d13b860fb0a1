import { describe, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import pg from 'pg';
import type { LockConfig } from '../../../src/app/lock/schema.js';
import { type Settled, withConfig } from '../../../src/app/lock/settings.js';
import type { LockProviderOptions } from '../../../src/setup/options.js';

const configured = (options: LockProviderOptions, lock: Partial<LockConfig>, env = {}) =>
  withConfig(options, { config: { get: () => lock }, env } as unknown as Settled);

test('the name and the version of the service are metadata of every lease, and metadata that is given counts more', () => {
  const env = { npm_package_name: 'orders', npm_package_version: '1.4.0' };
  expect(configured({}, {}, env).meta).toEqual({ service: 'orders', version: '1.4.0' });
  expect(configured({ meta: { service: 'mine' } }, {}, env).meta).toEqual({
    service: 'mine',
    version: '1.4.0',
  });
  expect(configured({}, {}).meta).toEqual({});
});

describe('where Redis is', () => {
  test('is as code says where nothing is configured', () => {
    expect(configured({ redis: { host: 'code', db: 2 } }, {}).redis).toEqual({ host: 'code', db: 2 });
    expect(configured({}, {})).not.toHaveProperty('redis');
  });

  test('an address that is configured beats the one in code, and leaves the rest', () => {
    const redis = { host: 'code', port: 1, connectionName: 'orders' };
    expect(configured({ redis }, { redis: { url: 'redis://env' } }).redis).toEqual({
      url: 'redis://env',
      connectionName: 'orders',
    });
    expect(configured({}, { redis: { url: 'redis://env' } }).redis).toEqual({ url: 'redis://env' });
  });

  test('a client that is lent is the one that is used', () => {
    const redis = new Redis({ lazyConnect: true });
    expect(configured({ redis }, { redis: { url: 'redis://env' } }).redis).toBe(redis);
  });
});

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
