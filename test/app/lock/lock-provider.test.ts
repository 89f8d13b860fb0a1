import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { Container, inject, injectable, named } from 'inversify';
import {
  type AppOptions,
  createApp,
  type Lease,
  LockBackendError,
  LockClosedError,
  LockConfigError,
  Locker,
  type LockProviderOptions,
  LockRegistry,
  LockUsageError,
  lock,
  lockProvider,
  memoryDriver,
  type Provider,
} from '../../../src/index.js';
import { startRedis } from '../../support/redis-server.js';

type App = ReturnType<typeof createApp>;
const apps: App[] = [];

function app(provider: Provider | (() => Provider) = lockProvider, options: AppOptions = {}): App {
  const made = createApp({ env: {}, ...options }).install(provider);
  apps.push(made);
  return made;
}

const startWith = (options?: LockProviderOptions, env: Record<string, string> = {}, rest: AppOptions = {}) =>
  app(options ? lockProvider(options) : lockProvider, { env, ...rest }).start();

const settings = (name = 'default') =>
  lock
    .default()
    .info()
    .find((info) => info.name === name);

afterEach(async () => {
  await Promise.all(apps.splice(0).map((made) => made.stop()));
});

@injectable()
class Service {
  constructor(
    @inject(Locker) readonly locker: Locker,
    @inject(Locker) @named('jobs') readonly jobs: Locker,
  ) {}
}

describe('choosing the driver', () => {
  test('memory without a word', async () => {
    await startWith();
    expect(settings()).toMatchObject({ driver: 'memory', prefix: 'lock:', ttl: 30_000, wait: 30_000 });
  });

  test('go_cache is another word for memory', async () => {
    await startWith(undefined, { LOCK_PROVIDER: 'go_cache' });
    expect(settings()?.driver).toBe('memory');
  });

  test('LOCK_PROVIDER chooses a driver of your own', async () => {
    await startWith({ drivers: { mine: () => memoryDriver() } }, { LOCK_PROVIDER: 'mine' });
    expect(settings()?.driver).toBe('mine');
    await expect(lock.L().with('k', () => 1)).resolves.toBe(1);
  });

  test('an unknown name stops the start and lists the names there are', async () => {
    const start = startWith({ drivers: { mine: () => memoryDriver() } }, { LOCK_PROVIDER: 'nope' });
    await expect(start).rejects.toThrow(LockConfigError);
    await expect(start).rejects.toThrow(/"nope".*memory, go_cache, redis, mine/);
    expect(() => lock.L()).toThrow(LockConfigError);
  });

  test('an unknown name is refused too where the options are a function', async () => {
    const start = app(lockProvider(() => ({ provider: 'nope' }))).start();
    await expect(start).rejects.toThrow(LockConfigError);
    await expect(start).rejects.toThrow(/"nope".*memory.*redis/);
  });

  test('the same program runs on Redis by LOCK_PROVIDER alone', async () => {
    const redis = await startRedis();
    const made = await startWith(undefined, { LOCK_PROVIDER: 'redis', LOCK_REDIS_URL: redis.url });
    const lease = await lock.L().acquire('k');
    expect(await redis.ask((client) => client.exists('lock:{k}'))).toBe(1);
    expect((await made.health())['lock.redis']).toMatchObject({ status: 'up' });
    await lease.release();
    await made.stop();
    await redis.stop();
  });

  test('no Redis there: the start fails within seconds and names the address without its password', async () => {
    const url = 'redis://user:hunter2@127.0.0.1:9';
    const start = startWith(undefined, { LOCK_PROVIDER: 'redis', LOCK_REDIS_URL: url });
    const error = await start.then(
      () => undefined,
      (reason: Error) => reason,
    );
    expect(error).toBeInstanceOf(LockBackendError);
    expect(error?.message).toContain('127.0.0.1:9');
    expect(error?.message).not.toContain('hunter2');
  });
});

describe('settings', () => {
  test('wrong ones are all named at once', async () => {
    const start = startWith(undefined, { LOCK_TTL: '10x', LOCK_AUTO_RENEW: 'maybe', LOCK_PROVIDER: 'nope' });
    await expect(start).rejects.toThrow(LockConfigError);
    for (const part of ['LOCK_TTL', '10x', 'LOCK_AUTO_RENEW', 'maybe', 'LOCK_PROVIDER', 'nope']) {
      await expect(start).rejects.toThrow(part);
    }
  });

  test('code beats defaults', async () => {
    await startWith({ ttl: '10s' });
    expect(settings()?.ttl).toBe(10_000);
  });

  test('empty means unset', async () => {
    await startWith({ ttl: '10s' }, { LOCK_TTL: '', LOCK_PROVIDER: '' });
    expect(settings()).toMatchObject({ ttl: 10_000, driver: 'memory' });
  });

  test('the environment beats code', async () => {
    await startWith(
      { ttl: '10s', wait: 5, prefix: 'a:', autoRenew: true, retryInterval: 7 },
      {
        LOCK_TTL: '20s',
        LOCK_WAIT: 'forever',
        LOCK_PREFIX: 'b:',
        LOCK_AUTO_RENEW: 'false',
        LOCK_RETRY_INTERVAL: '9ms',
      },
    );
    expect(settings()).toMatchObject({
      ttl: 20_000,
      wait: Infinity,
      prefix: 'b:',
      autoRenew: false,
      retryInterval: 9,
    });
  });

  test('the file beats code, and the environment beats the file', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'latchkey-'));
    const configFile = join(directory, 'app.toml');
    await writeFile(configFile, '[lock]\nttl = "11s"\nwait = "12s"\n[lock.lockers.jobs]\nttl = "13s"\n');
    await startWith({ ttl: '10s', wait: '10s', retryInterval: '10s' }, { LOCK_WAIT: '14s' }, { configFile });
    expect(settings()).toMatchObject({ ttl: 11_000, wait: 14_000, retryInterval: 10_000 });
    expect(settings('jobs')).toMatchObject({ ttl: 13_000, wait: 14_000 });
    await rm(directory, { recursive: true });
  });

  test('what is set for one locker beats what is set for all, whatever the layers', async () => {
    await startWith(
      { lockers: { jobs: { ttl: '5s' } } },
      { LOCK_TTL: '20s', LOCK_LOCKERS__JOBS__WAIT: '1s' },
    );
    expect(settings('jobs')).toMatchObject({ ttl: 5_000, wait: 1_000 });
    expect(settings()).toMatchObject({ ttl: 20_000, wait: 30_000 });
  });

  test('a locker that only the environment names is there', async () => {
    await startWith(undefined, { LOCK_LOCKERS__MAILS__TTL: '3s', LOCK_LOCKERS__MAILS__META: 'team=post' });
    expect(settings('mails')).toMatchObject({ ttl: 3_000, meta: { team: 'post' } });
  });

  test('a wrong option in code is a usage error that names it', async () => {
    await expect(startWith({ lockers: { jobs: { ttl: 0 } } })).rejects.toThrow(LockUsageError);
    expect(() => lockProvider(5 as never)).toThrow(LockUsageError);
  });
});

test('a URL where options were expected is refused without being shown, for it may hold a password', async () => {
  const start = startWith({ provider: 'redis', redis: 'redis://:hunter2@127.0.0.1' as never });
  await expect(start).rejects.toThrow(LockUsageError);
  await expect(start).rejects.not.toThrow('hunter2');
});

describe('injecting', () => {
  test('Locker gives the default locker, and by name the named one', async () => {
    const made = await startWith({ lockers: { jobs: { prefix: 'jobs:' } } });
    made.container.bind(Service).toSelf();
    const service = made.get<Service>(Service);
    expect(service.locker).toBe(lock.L());
    expect(service.jobs).toBe(lock.L('jobs'));
    expect(made.get(Locker, { name: 'jobs' })).toBe(lock.L('jobs'));
    expect(made.get(Locker, { name: 'default' })).toBe(lock.L());
    expect(made.get(LockRegistry)).toBe(lock.default());
  });

  test('two lockers on two drivers have their own prefix and ttl, and one key does not collide', async () => {
    const redis = await startRedis();
    const made = await startWith({
      redis: { url: redis.url },
      lockers: {
        jobs: { driver: 'redis', prefix: 'jobs:', ttl: '5s' },
        mails: { driver: 'redis', prefix: 'mails:', ttl: '6s' },
      },
    });
    const leases: Lease[] = [];
    for (const name of ['default', 'jobs', 'mails'])
      leases.push(await lock.L(name).acquire('same', { wait: 0 }));
    expect(leases.map((lease) => Math.round(lease.ttl() / 1_000))).toEqual([30, 5, 6]);
    expect(
      (await redis.ask((client) => client.keys('*'))).filter((key) => key.endsWith('{same}')).sort(),
    ).toEqual(['jobs:{same}', 'mails:{same}']);
    await Promise.all(leases.map((lease) => lease.release()));
    await made.stop();
    await redis.stop();
  });

  test('a container that is lent has our bindings while the app runs', async () => {
    const container = new Container();
    const made = await startWith(undefined, {}, { container });
    expect(container.get(Locker)).toBe(lock.L());
    await made.stop();
    expect(container.isBound(Locker)).toBe(false);
    await startWith(undefined, {}, { container });
    expect(container.get(Locker)).toBe(lock.L());
  });

  test('options may be an async function of the container', async () => {
    const container = new Container();
    container.bind('ttl').toConstantValue('7s');
    await app(
      lockProvider(async (from) => ({ ttl: from.get<'7s'>('ttl'), lockers: { jobs: {} } })),
      { container },
    ).start();
    expect(settings('jobs')?.ttl).toBe(7_000);
  });
});

describe('lock.L()', () => {
  test('is a coded error before the start and after the stop', async () => {
    expect(() => lock.L()).toThrow(LockConfigError);
    const made = await startWith();
    expect(lock.L().name).toBe('default');
    await made.stop();
    expect(() => lock.L()).toThrow(LockConfigError);
  });

  test('names the lockers there are where one is not registered', async () => {
    await startWith({ lockers: { jobs: {} } });
    expect(() => lock.L('nope')).toThrow('locker "nope" is not registered; there are: default, jobs');
    expect(() => lock.default().mustOf('nope')).toThrow(LockConfigError);
  });

  test('works in the start and stop hooks of providers installed after it', async () => {
    const got: string[] = [];
    const hook = (what: string) => async () => {
      const handle = lock.L().New('hook', '1s');
      await handle.lock();
      got.push(what);
      await handle.unlock();
    };
    const made = app();
    made.install({ name: 'hooks', start: hook('start'), stop: hook('stop') });
    await made.start();
    await made.stop();
    expect(got).toEqual(['start', 'stop']);
  });

  test('belongs to the app that started last and still runs', async () => {
    const first = await startWith({ prefix: 'first:' });
    const second = await startWith({ prefix: 'second:' });
    expect(settings()?.prefix).toBe('second:');
    await second.stop();
    expect(settings()?.prefix).toBe('first:');
    await first.stop();
  });
});

describe('stopping', () => {
  test('waiters are told at once, holders have their grace, and what is left is taken away', async () => {
    const made = await startWith({ grace: '200ms' });
    const locker = lock.L();
    const finished = locker.with('a', (lease) => lease.key);
    await expect(finished).resolves.toBe('a');
    const lease = await locker.acquire('b');
    const waiting = locker.acquire('b').catch((error: Error) => error);
    await Promise.resolve();
    const stopping = made.stop();
    expect(await waiting).toBeInstanceOf(LockClosedError);
    expect(lease.held).toBe(true);
    await stopping;
    expect(lease.held).toBe(false);
    expect(lease.signal.reason).toMatchObject({ code: 'LOCK_LOST', reason: 'closed' });
    await expect(locker.acquire('c')).rejects.toThrow(LockClosedError);
  });

  test('a client that was lent stays open, and saw nothing of ours', async () => {
    const redis = await startRedis();
    const client = redis.client();
    await client.ping();
    const made = await startWith({ redis: client, provider: 'redis' });
    await lock.L().with('k', () => 1);
    await made.stop();
    expect(await client.ping()).toBe('PONG');
    const names = (await client.client('LIST')) as string;
    expect(names).not.toContain('name=latchkey');
    await redis.stop();
  });
});
