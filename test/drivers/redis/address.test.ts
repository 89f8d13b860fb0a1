import { expect, test } from '@jest/globals';
import { LockConfigError } from '../../../src/core/errors.js';
import { parseAddress } from '../../../src/drivers/redis/address.js';

test.each([['redis://h'], ['rediss://u:p@h:1/2?family=6']])('%s is left to ioredis', (url) => {
  expect(parseAddress(url)).toEqual({ kind: 'url', url });
});

test('a Unix socket is a path, with and without login', () => {
  expect(parseAddress('unix:///run/redis/redis.sock')).toEqual({
    kind: 'unix',
    options: { path: '/run/redis/redis.sock' },
  });
  expect(parseAddress('unix://me:p%40ss@/run/redis.sock')).toEqual({
    kind: 'unix',
    options: { path: '/run/redis.sock', username: 'me', password: 'p@ss' },
  });
});

test('sentinels, with and without ports, login and database', () => {
  expect(parseAddress('redis+sentinel://a,b:1,[::1]:2/main')).toEqual({
    kind: 'sentinel',
    options: {
      sentinels: [
        { host: 'a', port: 26379 },
        { host: 'b', port: 1 },
        { host: '::1', port: 2 },
      ],
      name: 'main',
    },
  });
  expect(parseAddress('redis+sentinel://me:p%40ss:word@a/main/3')).toMatchObject({
    options: { name: 'main', username: 'me', password: 'p@ss:word', db: 3 },
  });
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
  [':secret@a'],
  [''],
])('%s is refused, and not shown', (url) => {
  expect(() => parseAddress(url)).toThrow(LockConfigError);
  expect(() => parseAddress(url)).not.toThrow('secret');
});
