import { expect, test } from '@jest/globals';
import { Cluster, Redis } from 'ioredis';
import type { LentClient, RedisOptions } from '../../../src/drivers/redis/options.js';
import { renewalThread } from '../../../src/drivers/redis/renewal-thread.js';

const sent = (redis: LentClient | RedisOptions) => (renewalThread(redis) as { store: object }).store;

test('the thread is sent the options', () => {
  const options = { url: 'redis://h:1', db: 3 };
  expect(sent(options)).toEqual(options);
});

test('of a client that is lent it is sent what says where to connect, and nothing that the driver sets itself', () => {
  const client = new Redis({
    ...{ host: 'h', port: 7, password: 'secret', db: 3, keyPrefix: 'x:', lazyConnect: true },
    ...{ sentinelRetryStrategy: () => 1, retryStrategy: () => 2, reconnectOnError: () => true },
  });
  const store = sent(client as unknown as LentClient);
  expect(store).toMatchObject({ host: 'h', port: 7, password: 'secret', db: 3 });
  for (const name of [
    'keyPrefix',
    'lazyConnect',
    'retryStrategy',
    'sentinelRetryStrategy',
    'reconnectOnError',
  ])
    expect(store).not.toHaveProperty(name);
  expect(structuredClone(store)).toEqual(store);
  client.disconnect();
});

test('a Cluster that is lent, and what cannot be sent to a thread, can have none, and are told why', () => {
  const cluster = new Cluster([{ host: 'h', port: 7 }], { lazyConnect: true });
  expect(renewalThread(cluster as unknown as LentClient)).toEqual({
    impossible: expect.stringContaining('a lent Cluster'),
  });
  cluster.disconnect();
  expect(renewalThread({ host: 'h', tls: { checkServerIdentity: () => undefined } })).toEqual({
    impossible: expect.stringContaining('the Redis option `tls`'),
  });
});
