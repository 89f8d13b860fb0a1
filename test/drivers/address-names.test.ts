import { describe, expect, test } from '@jest/globals';
import { LockUsageError } from '../../src/core/errors.js';
import { lockProvider, type PostgresOptions, postgresDriver, redisDriver } from '../../src/index.js';

const secret = 'hunter2';

describe('of Redis', () => {
  test.each<[object, string, string]>([
    [{ nodes: [{ host: 'a', port: 7000, password: secret }] }, 'redis.nodes', 'redis+cluster://'],
    [{ cluster: ['a:7000'] }, 'redis.cluster', 'redis+cluster://'],
    [{ rootNodes: [{ url: `redis://:${secret}@a` }] }, 'redis.rootNodes', 'redis+cluster://'],
    [{ hosts: ['a'] }, 'redis.hosts', 'redis+cluster://'],
    [{ connectionString: `redis://:${secret}@h` }, 'redis.connectionString', '`url: '],
    [{ uri: `redis://:${secret}@h` }, 'redis.uri', '`url: '],
    [{ URI: `redis://:${secret}@h` }, 'redis.URI', '`url: '],
    [{ endpoint: 'h' }, 'redis.endpoint', '`url: '],
    [{ hostname: 'h' }, 'redis.hostname', '`host`'],
    [{ socket: { host: 'h' } }, 'redis.socket', '`host` and `port`'],
    [{ client: { duplicate() {} } }, 'redis.client', 'as `redis`'],
    [{ host: 'h', database: 3 }, 'redis.database', '`db`'],
    [{ host: 'h', pass: secret }, 'redis.pass', '`password`'],
    [{ hots: 'h' }, 'hots', 'did you mean `host`?'],
    [{ sentinel: [{ host: 'h' }] }, 'sentinel', 'did you mean `sentinels`?'],
  ])(
    '%j is refused, for ioredis would ignore it and connect to localhost',
    async (redis, option, instead) => {
      const refused = expect.objectContaining({ option, message: expect.stringContaining(instead) });
      expect(() => lockProvider({ redis: redis as never })).toThrow(LockUsageError);
      expect(() => lockProvider({ redis: redis as never })).toThrow(refused);
      const made = redisDriver(redis as never);
      await expect(made).rejects.toEqual(refused);
      await expect(made).rejects.not.toThrow(secret);
    },
  );

  test.each(['redis://h', 'redis+cluster://h'])(
    'an address for the nodes of a Cluster is refused beside %s, for it is ignored',
    async (url) => {
      const made = redisDriver({ url, redisOptions: { host: 'h' } });
      await expect(made).rejects.toMatchObject({ code: 'LOCK_USAGE', option: 'redis.redisOptions.host' });
    },
  );

  test('what ioredis has, or may have one day, is left to it', async () => {
    const names =
      'Connector family username password db name tls sentinelPassword sentinelTLS preferredSlaves natMap';
    const known = Object.fromEntries(names.split(' ').map((name) => [name, undefined]));
    for (const redis of [{ ...known, host: 'h', port: 1 }, { novelty: 5 }, { hostname: null }])
      expect(() => lockProvider({ redis })).not.toThrow();
  });
});

describe('of PostgreSQL', () => {
  test.each<[PostgresOptions, string, string]>([
    [{ connectionUri: `postgres://u:${secret}@h/d` }, 'postgres.connectionUri', '`url: '],
    [{ databaseUrl: `postgres://u:${secret}@h/d` }, 'postgres.databaseUrl', '`url: '],
    [{ hostname: 'h' }, 'postgres.hostname', '`host`'],
    [{ host: 'h', dbname: 'orders' }, 'postgres.dbname', '`database`'],
    [{ host: 'h', username: 'orders' }, 'postgres.username', '`user`'],
    [{ host: 'h', pass: secret }, 'postgres.pass', '`password`'],
    [{ hosts: ['h'] }, 'postgres.hosts', '`url: '],
    [{ databse: 'orders' }, 'databse', 'did you mean `database`?'],
  ])('%j is refused, for pg would ignore it', async (postgres, option, instead) => {
    const refused = expect.objectContaining({ option, message: expect.stringContaining(instead) });
    expect(() => lockProvider({ postgres })).toThrow(LockUsageError);
    expect(() => lockProvider({ postgres })).toThrow(refused);
    const made = postgresDriver(postgres);
    await expect(made).rejects.toEqual(refused);
    await expect(made).rejects.not.toThrow(secret);
  });

  test('a name that pg ignores is taken beside the right one where both say the same', () => {
    const ours = { host: 'h', user: 'u', database: 'd', password: secret };
    const theirs = { hostname: 'h', username: 'u', dbname: 'd', pass: secret };
    expect(() => lockProvider({ postgres: { ...theirs, ...ours } })).not.toThrow();
    for (const [name, value] of [
      ['user', 'other'],
      ['user', undefined],
      ['database', 'u'],
      ['host', 'd'],
    ]) {
      const postgres = { ...theirs, ...ours, [name as string]: value };
      expect(() => lockProvider({ postgres })).toThrow(LockUsageError);
    }
  });

  test('what pg has, or may have one day, is left to it', () => {
    const known = { connectionString: 'postgres://h/d', options: '-c x=1' };
    for (const postgres of [
      known,
      { host: 'h', user: 'u', database: 'd', port: 1, ssl: true, Client: class {} },
      { novelty: 5 },
    ])
      expect(() => lockProvider({ postgres })).not.toThrow();
  });
});
