import { expect, test } from '@jest/globals';
import { LockConfigError } from '../../../src/core/errors.js';
import { parseAddress } from '../../../src/drivers/redis/address.js';

test.each([
  ['redis://h', { host: 'h', port: 6379 }],
  ['redis://', { host: '127.0.0.1', port: 6379 }],
  ['REDIS://h:1/', { host: 'h', port: 1 }],
  ['redis://u:p@h:1/2', { host: 'h', port: 1, db: 2, username: 'u', password: 'p' }],
  ['redis://[::1]:1/2?family=6', { host: '::1', port: 1, db: 2, family: 6 }],
  ['redis://:p%40ss%20%C3%A9@h?db=3', { host: 'h', port: 6379, db: 3, password: 'p@ss é' }],
  ['redis://h/1?db=3', { host: 'h', port: 6379, db: 1 }],
  ['redis://h?username=u&password=p%26w', { host: 'h', port: 6379, username: 'u', password: 'p&w' }],
  ['redis://u:p@h?password=other', { host: 'h', port: 6379, username: 'u', password: 'p' }],
  ['redis://h?protocol=2&noDelay=false', { host: 'h', port: 6379, protocol: 2, noDelay: false }],
  ['rediss://h', { host: 'h', port: 6379, tls: {} }],
  ['unix:///run/redis/redis.sock', { path: '/run/redis/redis.sock' }],
  [
    'unix://me:p%40ss@/run/my%20redis.sock?db=2',
    { path: '/run/my redis.sock', db: 2, username: 'me', password: 'p@ss' },
  ],
])('%s is one server', (url, options) => {
  expect(parseAddress(url)).toEqual({ kind: 'server', options });
});

test('sentinels, with and without ports, login and database', () => {
  expect(parseAddress('redis+sentinel://a,b:1,[::1]:2/main')).toEqual({
    kind: 'server',
    options: {
      sentinels: [
        { host: 'a', port: 26379 },
        { host: 'b', port: 1 },
        { host: '::1', port: 2 },
      ],
      name: 'main',
    },
  });
  const full =
    'redis+sentinel://me:p%40ss:word@a/my%20main/3?sentinelPassword=s&enableTLSForSentinelMode=true';
  expect(parseAddress(full)).toEqual({
    kind: 'server',
    options: {
      sentinels: [{ host: 'a', port: 26379 }],
      name: 'my main',
      username: 'me',
      password: 'p@ss:word',
      db: 3,
      sentinelPassword: 's',
      enableTLSForSentinelMode: true,
    },
  });
  expect(parseAddress('redis+sentinel://a/main?db=4')).toMatchObject({ options: { name: 'main', db: 4 } });
});

test('a cluster, with and without ports and login', () => {
  expect(parseAddress('redis+cluster://:secret@a,b:7001')).toEqual({
    kind: 'cluster',
    nodes: [
      { host: 'a', port: 6379 },
      { host: 'b', port: 7001 },
    ],
    options: { password: 'secret' },
  });
  const tuned = parseAddress('redis+cluster://a?slotsRefreshTimeout=300&useSRVRecords=true&family=6');
  expect(tuned).toMatchObject({ options: { slotsRefreshTimeout: 300, useSRVRecords: true, family: 6 } });
});

test('a password with an @ is no part of a host', () => {
  const address = parseAddress('redis+cluster://:se@cret@a:7000');
  expect(address).toMatchObject({ nodes: [{ host: 'a', port: 7000 }], options: { password: 'se@cret' } });
});

test.each([
  ['redis+cluster://'],
  ['redis+cluster://a,,b'],
  ['redis+sentinel://a'],
  ['ftp://secret@a'],
  ['redis+cluster://:%zz@a'],
  ['redis+cluster://:secret%@a'],
  ['redis+cluster://:secret/word@a'],
  ['redis+cluster://:secret@a/1'],
  ['redis+cluster://:secret@a:port'],
  ['redis+sentinel://:secret@a:1'],
  ['redis+sentinel://:secret@/main'],
  ['redis+sentinel://:secret@a/main/first'],
  ['redis+sentinel://:secret@a/main/1/2'],
  ['redis://:secret@a/first'],
  ['rediss://:secret@a/1/2'],
  ['redis://:secret@a:65536'],
  ['redis://:secret@a:-1'],
  ['redis://:secret@a,b'],
  ['redis://a:1:secret'],
  ['redis://:sec?ret@secret'],
  ['redis://a?secret=1'],
  ['redis://a?keyPrefix=secret'],
  ['redis://a?commandTimeout=1'],
  ['redis://a?db=secret'],
  ['redis://a?db='],
  ['redis://a?noDelay=secret'],
  ['redis://a?username='],
  ['redis://a#secret'],
  ['redis://secret:p/w@h'],
  [' redis://a'],
  ['rediss+sentinel://a/main'],
  ['redis-sentinel://a/main'],
  ['redis+sentinel://a?secret/main'],
  ['redis+sentinel://a/main?role=slave'],
  ['redis+cluster://:secret@a?db=1'],
  ['redis+cluster://a?scaleReads=slave'],
  [':secret@a'],
  [''],
])('%s is refused, and not shown', (url) => {
  expect(() => parseAddress(url)).toThrow(LockConfigError);
  expect(() => parseAddress(url)).not.toThrow('secret');
});

test('of an option that may not stand in a URL, or is wrong there, the error tells those that may, or its name', () => {
  expect(() => parseAddress('redis://a?keyPrefix=x')).toThrow(/to have no other options than db, family, /);
  expect(() => parseAddress('redis://a?db=x')).toThrow('expected db in the Redis URL to be a whole number');
  expect(() => parseAddress('redis://a?noDelay=1')).toThrow(
    'expected noDelay in the Redis URL to be true or false',
  );
});
