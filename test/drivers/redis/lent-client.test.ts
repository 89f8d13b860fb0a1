import { expect, test } from '@jest/globals';
import { createClient, createCluster } from '@redis/client';
import { Redis } from 'ioredis';
import { LockUsageError } from '../../../src/core/errors.js';
import { checkLentClient } from '../../../src/drivers/redis/lent-client.js';
import { lockProvider, redisDriver } from '../../../src/index.js';

test.each([
  ['a client', () => createClient()],
  ['a cluster', () => createCluster({ rootNodes: [] })],
])('%s of the package redis is refused by its name', async (_, make) => {
  const client = make() as never;
  await expect(redisDriver(client)).rejects.toThrow(LockUsageError);
  await expect(redisDriver(client)).rejects.toThrow(
    'this is a client of the package redis; Latchkey takes ioredis',
  );
  expect(() => lockProvider({ redis: client })).toThrow('of the package redis');
});

test('another client is refused; one of ioredis, of either kind, and options are taken', () => {
  expect(() => checkLentClient({ duplicate: () => {} })).toThrow('a client of another package');
  const redis = new Redis({ lazyConnect: true });
  for (const good of [
    redis,
    new Redis.Cluster([], { lazyConnect: true }),
    { url: 'redis://h' },
    { host: 'h' },
  ])
    expect(() => checkLentClient(good)).not.toThrow();
  redis.disconnect();
});
