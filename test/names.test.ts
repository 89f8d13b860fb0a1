import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { expect, test } from '@jest/globals';
import {
  createApp,
  LockConfigError,
  LockRegistry,
  LockUsageError,
  lockProvider,
  memoryDriver,
  redisDriver,
} from '../src/index.js';
import { lockHealth } from '../src/setup/health.js';

const address = 'redis://user:hunter2@host';

const thrown = async (action: () => unknown) => {
  try {
    await action();
  } catch (error) {
    return error as Error;
  }
  throw new Error('expected it to throw');
};

const withDriver = () => new LockRegistry().registerDriver(address, () => memoryDriver());
const unmade = () => new LockRegistry().registerDriver(address, () => 5 as never);
const bare = { list: undefined, revoke: undefined };

test.each<[string, () => unknown, typeof LockConfigError | typeof LockUsageError]>([
  ['of a locker that is not there', () => new LockRegistry().mustOf(address), LockConfigError],
  [
    'of a locker beside one that is not there',
    () => new LockRegistry().registerLocker(address).mustOf('no'),
    LockConfigError,
  ],
  ['that is given twice', () => withDriver().registerDriver(address, () => memoryDriver()), LockConfigError],
  [
    'of a driver that is not there',
    () => new LockRegistry().registerLocker('a', { driver: address }).mustOf('a').tryAcquire('k'),
    LockConfigError,
  ],
  [
    'of a driver beside one that is not there',
    () => withDriver().registerLocker('a', { driver: 'no' }).mustOf('a').tryAcquire('k'),
    LockConfigError,
  ],
  [
    'of a driver that cannot be made',
    () => unmade().registerLocker('a', { driver: address }).mustOf('a').tryAcquire('k'),
    LockConfigError,
  ],
  [
    'of a driver that cannot revoke',
    () =>
      new LockRegistry()
        .registerDriver(address, () => Object.assign(memoryDriver(), bare))
        .registerLocker('a', { driver: address })
        .mustOf('a')
        .revoke('k', 1),
    LockConfigError,
  ],
  ['of a driver that is none', () => lockProvider({ drivers: { [address]: 5 as never } }), LockUsageError],
  ['of a locker that is none', () => lockProvider({ lockers: { [address]: 5 as never } }), LockUsageError],
  ['of an option', () => lockProvider({ [address]: 5 } as never), LockUsageError],
  [
    'that may be chosen',
    () =>
      createApp({ env: { LOCK_PROVIDER: 'no' } })
        .install(lockProvider({ drivers: { [address]: () => memoryDriver() } }))
        .start(),
    LockConfigError,
  ],
  [
    'of the host of a sentinel',
    () => redisDriver({ sentinels: [{ host: 'a' }, { host: address }], name: 'm' }),
    LockUsageError,
  ],
])('a name that is an address by mistake is shown without its password: %s', async (_, action, kind) => {
  const error = await thrown(action);
  expect(error).toBeInstanceOf(kind);
  expect(`${inspect(error)} ${JSON.stringify(error)} ${error.message}`).not.toContain('hunter2');
});

test('health tells of a driver whose name is an address without its password', async () => {
  const registry = withDriver().registerLocker('a', { driver: address });
  const health = await lockHealth(registry);
  expect(Object.keys(health).sort()).toEqual(['lock.memory', 'lock.redis://…@host']);
  await registry.close();
});

test.each([
  { lock: { [address]: 5 } },
  { lock: { lockers: { [address]: { ttl: 'x' } } } },
  { lock: { lockers: { [address]: 5 } } },
  { lock: { lockers: { jobs: { [address]: 5 } } } },
  { [address]: { a: 1 } },
])('a key of a file that is an address by mistake is shown without its password: %j', async (content) => {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-names-'));
  const configFile = join(folder, 'app.json');
  await writeFile(configFile, JSON.stringify(content));
  const error = await thrown(() => createApp({ configFile, env: {} }).install(lockProvider).start());
  expect(error.message).toContain('redis://…@host');
  expect(`${inspect(error)} ${JSON.stringify(error)}`).not.toContain('hunter2');
  await rm(folder, { recursive: true });
});
