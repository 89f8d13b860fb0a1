import { expect, test } from '@jest/globals';
import {
  KeyedMutex,
  KeyedSemaphore,
  LockRegistry,
  LockUsageError,
  memoryDriver,
  postgresDriver,
  redisDriver,
  retry,
} from '../src/index.js';
import { instrumentLocks } from '../src/opentelemetry/index.js';
import { memoryLocks } from '../src/testing/index.js';

test.each<[string, () => unknown]>([
  ['a registry', () => new LockRegistry({ redis: { url: 'redis://host' } } as never)],
  ['a mutex', () => new KeyedMutex({ wait: 500 } as never)],
  ['a semaphore', () => new KeyedSemaphore(5, { wait: 500 } as never)],
  ['a backoff', () => retry.backoff({ retries: 3 } as never)],
  ['the driver of memory', () => memoryDriver({ ttl: 5 } as never)],
  ['the driver of Redis', () => redisDriver({}, { prefix: 'p:' } as never)],
  ['the driver of PostgreSQL', () => postgresDriver({}, { schema: 's' } as never)],
  ['telemetry', () => instrumentLocks({ links: 'false' as never })],
  ['locks for a test', () => memoryLocks({ lockers: { jobs: 5 as never } })],
])('options that would be ignored are refused: of %s', async (_, make) => {
  const fault = await Promise.resolve()
    .then(make)
    .catch((reason) => reason);
  expect(fault).toBeInstanceOf(LockUsageError);
});
