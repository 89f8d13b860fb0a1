import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { Container, inject, injectable, named } from 'inversify';
import {
  type AppOptions,
  createApp,
  type Lease,
  LockBackendError,
  LockClosedError,
  LockConfigError,
  type LockDriver,
  Locker,
  type LockProviderOptions,
  LockRegistry,
  LockUsageError,
  lock,
  lockProvider,
  memoryDriver,
  type Provider,
  WithLock,
} from '../../../src/index.js';
import { startRedis } from '../../support/redis-server.js';

type App = ReturnType<typeof createApp>;
const apps: App[] = [];

function app(provider: Provider | (() => Provider) = lockProvider, options: AppOptions = {}): App {
  const made = createApp({ env: {}, ...options }).install(provider);
  apps.push(made);
  return made;
}

const startWith = async (
  options?: LockProviderOptions,
  env: Record<string, string> = {},
  rest: AppOptions = {},
) => app(options ? lockProvider(options) : lockProvider, { env, ...rest }).start();

const thrown = (action: () => unknown) => {
  try {
    action();
  } catch (error) {
    return error as Error;
  }
  throw new Error('expected it to throw');
};

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
    const first = await startWith(undefined, { LOCK_PROVIDER: 'go_cache' });
    expect(settings()?.driver).toBe('memory');
    await first.stop();
    // Also where it names a driver of your own.
    const mine = jest.fn(() => memoryDriver());
    await startWith({ drivers: { go_cache: mine }, provider: 'go_cache' });
    expect(mine).toHaveBeenCalledTimes(1);
  });

  test('LOCK_PROVIDER chooses a driver of your own', async () => {
    for (const mine of [() => memoryDriver(), memoryDriver()]) {
      const made = await startWith({ drivers: { mine } }, { LOCK_PROVIDER: 'mine' });
      expect(settings()?.driver).toBe('mine');
      await expect(lock.L().with('k', () => 1)).resolves.toBe(1);
      await made.stop();
    }
  });

  test.each(['redis', 'postgres'])('a message about the address of %s does not show it', async (name) => {
    const folder = await mkdtemp(join(tmpdir(), 'latchkey-provider-'));
    const config = join(folder, 'service.json');
    await writeFile(config, JSON.stringify({ lock: { [name]: { url: 271_828 } } }));
    const error = await startWith(undefined, {}, { configFile: config }).catch((reason) => reason);
    expect(error).toBeInstanceOf(LockConfigError);
    expect(error.message).toContain(`lock.${name}.url`);
    expect(error.message).not.toContain('271828');
    await rm(folder, { recursive: true });
  });

  test('an unknown name stops the start and lists the names there are', async () => {
    const start = startWith({ drivers: { mine: () => memoryDriver() } }, { LOCK_PROVIDER: 'nope' });
    await expect(start).rejects.toThrow(LockConfigError);
    await expect(start).rejects.toThrow(/"nope".*memory, go_cache, redis, postgres, mine/);
    expect(() => lock.L()).toThrow(LockConfigError);
  });

  test.each<[string, LockProviderOptions, Record<string, string>]>([
    ['LOCK_PROVIDER', {}, { LOCK_PROVIDER: 'redis://me:hunter2@host:6379' }],
    ['a long one', {}, { LOCK_PROVIDER: `redis://me:hunter2${'x'.repeat(200)}@host` }],
    ['an odd password', {}, { LOCK_PROVIDER: 'redis://me:a@hunter2/b@host' }],
    ['a password in the query', {}, { LOCK_PROVIDER: 'redis://host?password=hunter2' }],
    ['a password in the query, in code', { provider: 'redis://host?password=hunter2' }, {}],
    ['the driver of a locker', {}, { LOCK_LOCKERS__JOBS__DRIVER: 'redis://me:hunter2@host' }],
    ['a provider in code', { provider: 'redis://me:hunter2@host' }, {}],
    ['a driver in code', { lockers: { jobs: { driver: 'redis://me:hunter2@host' } } }, {}],
  ])('an address where a name belongs is refused without its password: %s', async (_, options, env) => {
    const error = await startWith(options, env).catch((reason) => reason);
    expect(error).toBeInstanceOf(LockConfigError);
    expect(error.message).toMatch(/"redis:.*".* memory, /);
    expect(`${error.stack} ${JSON.stringify(error)}`).not.toContain('hunter2');
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

  test.each<[string, LockProviderOptions, Record<string, string>]>([
    ['an address in code', { redis: { url: 'redis://127.0.0.1:9' } }, {}],
    ['options in code', { redis: { port: 9 } }, {}],
    ['LOCK_REDIS_URL', {}, { LOCK_REDIS_URL: 'redis://127.0.0.1:9' }],
    [
      'one more locker with a driver',
      { lockers: { a: { driver: 'memory' } } },
      { LOCK_REDIS_URL: 'redis://127.0.0.1:9' },
    ],
  ])('a backend that is given for locks is chosen: %s', async (_, options, env) => {
    const error = await startWith(options, env).catch((reason) => reason);
    expect(error).toBeInstanceOf(LockBackendError);
    expect(error.message).toContain('127.0.0.1:9');
  });

  test.each<[string, LockProviderOptions, Record<string, string>]>([
    ['REDIS_URL', {}, { REDIS_URL: 'redis://127.0.0.1:9' }],
    ['DATABASE_URL', {}, { DATABASE_URL: 'postgres://127.0.0.1:9' }],
    ['both', {}, { REDIS_URL: 'redis://127.0.0.1:9', DATABASE_URL: 'postgres://127.0.0.1:9' }],
    ['a provider', { provider: 'memory', redis: { port: 9 } }, {}],
    ['a driver for all', { driver: 'memory', redis: { port: 9 } }, {}],
    ['LOCK_PROVIDER', {}, { LOCK_PROVIDER: 'memory', LOCK_REDIS_URL: 'redis://127.0.0.1:9' }],
    ['a driver of each locker', { redis: { port: 9 }, lockers: { default: { driver: 'memory' } } }, {}],
  ])('memory it is where no backend is given for locks, or another is named: %s', async (_, options, env) => {
    await startWith(options, env);
    expect(settings()?.driver).toBe('memory');
  });

  test('a file may give the backend', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'latchkey-'));
    const configFile = join(directory, 'app.toml');
    await writeFile(configFile, '[lock.redis]\nurl = "redis://127.0.0.1:9"\n');
    await expect(startWith(undefined, {}, { configFile })).rejects.toThrow(LockBackendError);
    // Those of the whole service choose nothing, and take no choice away.
    for (const name of ['REDIS_URL', 'DATABASE_URL']) {
      const env = { [name]: 'redis://127.0.0.1:9' };
      await expect(startWith(undefined, env, { configFile })).rejects.toThrow(LockBackendError);
    }
    await rm(directory, { recursive: true });
  });

  test('two backends and no provider stop the start', async () => {
    const urls = { LOCK_REDIS_URL: 'redis://127.0.0.1:9', LOCK_POSTGRES_URL: 'postgres://127.0.0.1:9' };
    for (const start of [startWith({}, urls), startWith({ redis: { port: 9 }, postgres: { port: 9 } })]) {
      await expect(start).rejects.toThrow(LockConfigError);
      await expect(start).rejects.toThrow(/redis and postgres .* LOCK_PROVIDER, or `provider`$/);
    }
    await startWith({}, { ...urls, LOCK_PROVIDER: 'memory' });
    expect(settings()?.driver).toBe('memory');
  });

  describe('memory under NODE_ENV=production', () => {
    const production = { NODE_ENV: 'production' };
    const warnings: unknown[] = [];
    beforeEach(() => {
      warnings.length = 0;
      jest.spyOn(process, 'emitWarning').mockImplementation((message, options) => {
        warnings.push([message, options]);
      });
    });
    afterEach(() => {
      jest.restoreAllMocks();
    });

    test('is one warning that says what to set, where nobody asked for it', async () => {
      await startWith({ lockers: { jobs: {}, mails: { driver: 'memory' } } }, production);
      expect(warnings).toEqual([
        [
          expect.stringMatching(/default, jobs\)\. Set LOCK_PROVIDER .*LOCK_REDIS_URL/),
          { code: 'LATCHKEY_MEMORY' },
        ],
      ]);
    });

    test('is none where somebody asked for it, or elsewhere', async () => {
      await startWith({ provider: 'memory' }, production);
      await startWith(undefined, { ...production, LOCK_PROVIDER: 'go_cache' });
      await startWith({ lockers: { default: { driver: 'memory' } } }, production);
      await startWith(undefined, { NODE_ENV: 'test' });
      expect(warnings).toEqual([]);
    });
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

  test('a wrong schema or prefix is told with its variable, among all that are wrong', async () => {
    const env = { LOCK_POSTGRES_SCHEMA: 'My Locks', LOCK_PREFIX: 'x'.repeat(2_049), LOCK_TTL: '0' };
    const error = await startWith(undefined, env).catch((reason) => reason);
    expect(error).toBeInstanceOf(LockConfigError);
    for (const name of Object.keys(env)) expect(error.message).toContain(`(env ${name})`);
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

  test('where leases are renewed, and the limit of one locker, can be set by the environment', async () => {
    await startWith(
      { renewIn: 'main' },
      { LOCK_RENEW_IN: 'thread', LOCK_MAX_BLOCK: '20s', LOCK_LOCKERS__JOBS__LIMIT: '3' },
    );
    expect(settings()).toMatchObject({ renewIn: 'thread', maxBlock: 20_000, limit: undefined });
    expect(settings('jobs')).toMatchObject({ renewIn: 'thread', maxBlock: 20_000, limit: 3, mode: 'read' });
  });

  test('the metadata names the service and its version where npm told them, unless code does', async () => {
    const env = { npm_package_name: 'orders', npm_package_version: '1.4.0' };
    await startWith({ meta: { service: 'mine' }, lockers: { jobs: {} } }, env);
    const lease = await lock.L('jobs').acquire('k');
    expect(lease.meta).toMatchObject({ service: 'mine', version: '1.4.0', pid: String(process.pid) });
  });

  test.each([
    ['LOCK_LOCKERS__JOBS__LIMIT', '10s'],
    ['LOCK_LOCKERS__JOBS__LIMIT', '0'],
    ['LOCK_RENEW_IN', 'worker'],
    ['LOCK_MAX_BLOCK', '30'],
  ])('%s=%s stops the start', async (variable, value) => {
    await expect(startWith(undefined, { [variable]: value })).rejects.toThrow(variable);
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

  test('a variable means a locker in code, also where a function names it', async () => {
    const env = { LOCK_LOCKERS__NIGHT_JOBS__TTL: '5m', LOCK_LOCKERS__MAILS__TTL: '6m' };
    const lockers = { 'night-jobs': { wait: 0 }, Mails: {} };
    for (const options of [{ lockers }, () => ({ lockers })]) {
      const made = await app(lockProvider(options), { env }).start();
      expect(lock.default().info()).toMatchObject([
        { name: 'Mails', ttl: 360_000 },
        { name: 'default', ttl: 30_000 },
        { name: 'night-jobs', ttl: 300_000, wait: 0 },
      ]);
      await made.stop();
    }
  });

  test.each([{ Jobs: {}, jobs: {} }, { Default: {} }])(
    'a variable that may mean several lockers in code stops the start, also where a function names them: %j',
    async (lockers) => {
      const env = { LOCK_LOCKERS__JOBS__TTL: '5m', LOCK_LOCKERS__DEFAULT__TTL: '5m' };
      for (const options of [{ lockers }, () => ({ lockers })]) {
        const start = app(lockProvider(options), { env }).start();
        await expect(start).rejects.toThrow(LockConfigError);
        await expect(start).rejects.toThrow(/expected one (entry|locker) of that name, got .*, /);
      }
    },
  );

  test('a variable that may mean a locker in code or another one in the file stops the start', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'latchkey-'));
    const configFile = join(directory, 'app.toml');
    await writeFile(configFile, '[lock.lockers.night_jobs]\nwait = "7s"\n');
    const env = { LOCK_LOCKERS__NIGHT_JOBS__TTL: '5m' };
    const lockers = { 'night-jobs': {} };
    for (const options of [{ lockers }, () => ({ lockers })]) {
      const start = app(lockProvider(options), { env, configFile }).start();
      await expect(start).rejects.toThrow(LockConfigError);
      await expect(start).rejects.toThrow('of that name, got night-jobs, night_jobs');
    }
    await rm(directory, { recursive: true });
  });

  test('a locker that the file names is another one than that of code with nearly the same name', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'latchkey-'));
    const configFile = join(directory, 'app.toml');
    await writeFile(configFile, '[lock.lockers.night_jobs]\nttl = "7s"\n');
    await app(
      lockProvider(() => ({ lockers: { 'night-jobs': {} } })),
      { configFile },
    ).start();
    expect([settings('night-jobs')?.ttl, settings('night_jobs')?.ttl]).toEqual([30_000, 7_000]);
    await rm(directory, { recursive: true });
  });

  test('the limit of one locker beats the mode of all, and its mode write the limit of all', async () => {
    const first = await startWith({ mode: 'write', lockers: { jobs: { limit: 5 } } });
    expect(settings('jobs')).toMatchObject({ mode: 'read', limit: 5 });
    expect(settings()).toMatchObject({ mode: 'write', limit: undefined });
    await first.stop();
    await startWith({ limit: 5, lockers: { jobs: { mode: 'write' }, mails: { mode: 'read' } } });
    expect(settings('jobs')).toMatchObject({ mode: 'write', limit: undefined });
    expect(settings('mails')).toMatchObject({ mode: 'read', limit: 5 });
    expect(settings()).toMatchObject({ mode: 'read', limit: 5 });
  });

  test.each<[LockProviderOptions, Record<string, string>, string]>([
    [{ lockers: { jobs: { mode: 'write' } } }, { LOCK_LOCKERS__JOBS__LIMIT: '3' }, 'is 3: expected none'],
    [{}, { LOCK_LOCKERS__JOBS__META: `a=${'x'.repeat(5_000)}` }, 'expected at most 4096'],
    [
      { meta: { a: 'x'.repeat(2_000) }, lockers: { jobs: { meta: { b: 'x'.repeat(1_000) } } } },
      { LOCK_LOCKERS__JOBS__META: `c=${'x'.repeat(1_200)}` },
      'expected at most 4096',
    ],
  ])(
    'a variable that does not go with what code says stops the start and is named: %#',
    async (options, env, why) => {
      for (const given of [options, () => options]) {
        const fault = await app(lockProvider(given), { env })
          .start()
          .catch((reason) => reason);
        expect(fault).toBeInstanceOf(LockConfigError);
        expect(fault.message).toContain(`(env ${Object.keys(env)[0]})`);
        expect(fault.message).toContain(why);
      }
    },
  );

  test('the limit of a variable counts where code says mode write for all lockers alone', async () => {
    await startWith({ mode: 'write' }, { LOCK_LOCKERS__JOBS__LIMIT: '3' });
    expect(settings('jobs')).toMatchObject({ mode: 'read', limit: 3 });
  });

  test('a locker that only the environment names is there', async () => {
    await startWith(undefined, { LOCK_LOCKERS__MAILS__TTL: '3s', LOCK_LOCKERS__MAILS__META: 'team=post' });
    expect(settings('mails')).toMatchObject({ ttl: 3_000, meta: { team: 'post' } });
  });

  test.each<[unknown, string]>([
    [5, 'expected `options` to be an object, got 5'],
    [null, 'expected `options` to be an object, got null'],
    [[], 'expected `options` to be an object, got an empty array'],
    [{ ttl: 0 }, '`ttl`'],
    [{ ttll: 5 }, 'expected `ttll` to be an option that is known (did you mean `ttl`?)'],
    [{ rediss: 'redis://:hunter2@host' }, '(did you mean `redis`?)'],
    [{ postgress: { url: 'postgres://:hunter2@host' } }, '(did you mean `postgres`?)'],
    [{ lockers: { jobs: { retryIntervall: 5 } } }, '(did you mean `retryInterval`?)'],
    [
      { redis: { ulr: 'redis://:hunter2@host' } },
      'expected `ulr` to be an option that is known (did you mean `url`?)',
    ],
    [{ postgres: { url: 'postgres://host', shema: 'locks' } }, '(did you mean `schema`?)'],
    [
      { postgres: { uri: 'postgres://:hunter2@host' } },
      "expected `postgres.uri` to be left out, and `url: 'postgres://host:port/database'` in its place",
    ],
    [{ redis: { nodes: [{ host: 'h', password: 'hunter2' }] } }, 'expected `redis.nodes` to be left out'],
    [{ lockers: { jobs: { provider: 'redis' } } }, '`provider`'],
    [{ grace: '5sec' }, 'expected `grace` to be a duration'],
    [{ grace: -1 }, 'expected `grace` to be a duration'],
    [{ provider: 5 }, '`provider`'],
    [{ provider: 'memory', driver: 'redis' }, 'expected `driver` to be left out beside `provider`'],
    [{ lockers: null }, 'expected `lockers` to be an object, got null'],
    [{ lockers: 3 }, 'expected `lockers` to be an object, got 3'],
    [{ lockers: [] }, 'expected `lockers` to be an object, got an empty array'],
    [{ lockers: { '': {} } }, 'expected `name` to be text that is not empty'],
    [{ lockers: { jobs: null } }, 'expected `lockers.jobs` to be an object, got null'],
    [{ lockers: { jobs: { ttl: 0 } } }, '`ttl`'],
    [{ drivers: 5 }, '`drivers`'],
    [{ drivers: { mine: {} } }, 'expected `drivers.mine` to be a LockDriver, or a function that makes one'],
    [
      { redis: 'redis://:hunter2@host' },
      'expected `redis` to be an ioredis client, or its options, or { url }, got "text"',
    ],
    [{ redis: null }, '`redis`'],
    [{ postgres: 'postgres://:hunter2@host' }, '`postgres`'],
  ])(
    'a wrong option in code is a usage error that names it, at once or from a function: %j',
    async (options, message) => {
      const faults = [
        thrown(() => lockProvider(options as never)),
        await app(lockProvider(async () => options as never))
          .start()
          .catch((reason) => reason),
      ];
      for (const fault of faults) {
        expect(fault).toBeInstanceOf(LockUsageError);
        expect(fault).toMatchObject({ message: expect.stringContaining(message) });
        expect(`${fault.stack} ${JSON.stringify(fault)}`).not.toContain('hunter2');
      }
      expect(() => lock.L()).toThrow(LockConfigError);
    },
  );

  test.each<[string, (options: object) => unknown]>([
    ['all options', (options) => lockProvider(options)],
    ['a locker', (options) => lockProvider({ lockers: { jobs: options } })],
    ['a registered locker', (options) => new LockRegistry().registerLocker('jobs', options)],
    ['a call', (options) => new LockRegistry().mustOf().acquire('k', options)],
    ['once', (options) => new LockRegistry().mustOf().once('k', 's', () => 1, options)],
    ['lead', (options) => new LockRegistry().mustOf().lead('k', () => 1, options)],
    ['a handle', (options) => new LockRegistry().mustOf().New('k', '5s', options)],
    ['a decorator', (options) => WithLock('k', options)],
    ['Redis', (options) => lockProvider({ redis: options as never })],
    ['PostgreSQL', (options) => lockProvider({ postgres: options as never })],
  ])('a getter of a class is refused, for it would be passed over: %s', async (_, give) => {
    class Options {
      get ttl() {
        return '5s' as const;
      }
    }
    const fault = await Promise.resolve()
      .then(() => give(new Options()))
      .catch((reason) => reason);
    expect(fault).toMatchObject({ code: 'LOCK_USAGE', option: 'ttl' });
  });

  test('an address that is a URL object is refused, for it has no options of its own', () => {
    expect(() => lockProvider({ redis: new URL('redis://:hunter2@h') as never })).toThrow(LockUsageError);
  });

  test('a function that gives no options at all is a usage error', async () => {
    await expect(app(lockProvider(() => undefined as never)).start()).rejects.toThrow(LockUsageError);
  });

  test.each([
    ['LOCK_TTTL', 'LOCK_TTL'],
    ['LOCK_PROVDER', 'LOCK_PROVIDER'],
    ['LOCK_REDISURL', 'LOCK_REDIS_URL'],
    ['LOCK_ttl', 'LOCK_TTL'],
    ['LOCK_LOCKERS_JOBS_TTL', 'LOCK_LOCKERS__JOBS__TTL'],
    ['LOCK_LOCKER__MAILS__TTL', 'LOCK_LOCKERS__MAILS__TTL'],
  ])('a variable within two letters of a known one stops the start: %s', async (variable, known) => {
    const lockers = { jobs: {} };
    for (const options of [{ lockers }, () => ({ lockers })]) {
      const start = app(lockProvider(options), { env: { [variable]: 'hunter2' } }).start();
      await expect(start).rejects.toThrow(LockConfigError);
      await expect(start).rejects.toThrow(`env ${variable}: unknown, did you mean ${known}?`);
      await expect(start).rejects.not.toThrow('hunter2');
    }
  });

  test('other variables are left alone', async () => {
    await startWith(undefined, {
      LOCK_FILE: '/run/x',
      LOCK_TIMEOUT_MS: '5',
      LOKC_TTL: '5s',
      LOCK_TTTL: '',
      EDIS_URL: 'x',
    });
    expect(settings()?.ttl).toBe(30_000);
  });

  test('a limit, and where leases are renewed, are set in the environment or in a file', async () => {
    await startWith(
      { lockers: { jobs: { limit: 2 }, mails: { limit: 3 } }, maxBlock: '5s' },
      { LOCK_LOCKERS__JOBS__LIMIT: '7', LOCK_RENEW_IN: 'thread', LOCK_MAX_BLOCK: '10s' },
    );
    expect(settings('jobs')).toMatchObject({ limit: 7, mode: 'read', renewIn: 'thread', maxBlock: 10_000 });
    expect(settings('mails')).toMatchObject({ limit: 3, mode: 'read' });
    expect(settings()).toMatchObject({ limit: undefined, mode: 'write' });
    const all = await Promise.all(Array.from({ length: 8 }, () => lock.L('jobs').tryAcquire('k')));
    expect(all.filter(Boolean)).toHaveLength(7);
  });

  test.each([
    ['LOCK_LOCKERS__JOBS__LIMIT', '0'],
    ['LOCK_LOCKERS__JOBS__LIMIT', '1.5'],
    ['LOCK_LOCKERS__JOBS__LIMIT', 'many'],
    ['LOCK_RENEW_IN', 'worker'],
    ['LOCK_MAX_BLOCK', '0'],
  ])('a wrong one stops the start: %s=%s', async (variable, value) => {
    const start = startWith(undefined, { [variable]: value });
    await expect(start).rejects.toThrow(LockConfigError);
    await expect(start).rejects.toThrow(new RegExp(`${variable}.*"${value}"`));
  });

  test('two variables of one locker, in other cases, that set the same stop the start', async () => {
    const start = startWith(undefined, { LOCK_LOCKERS__JOBS__TTL: '5s', LOCK_LOCKERS__jobs__TTL: '6s' });
    await expect(start).rejects.toThrow(LockConfigError);
    await expect(start).rejects.toThrow(
      'LOCK_LOCKERS__jobs__TTL: LOCK_LOCKERS__JOBS__TTL sets the same already',
    );
  });
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
      provider: 'memory',
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

  test('one provider in two apps gives each its own locks, and stopping one leaves the other', async () => {
    const shared = lockProvider({ prefix: 'shared:' });
    const [first, second] = [app(shared), app(shared)];
    await first.start();
    await second.start();
    const lease = await second.get<Locker>(Locker).acquire('k');
    expect(await first.get<Locker>(Locker).tryAcquire('k', { ttl: '1s' })).not.toBeNull();
    await first.stop();
    expect(lease.held).toBe(true);
    expect(await second.health()).toEqual({ 'lock.memory': expect.objectContaining({ status: 'up' }) });
    expect(lock.L()).toBe(second.get(Locker));
    await lease.release();
    await second.stop();
    expect(() => lock.L()).toThrow(LockConfigError);
  });

  test('two apps cannot have their locks in one container', async () => {
    const container = new Container();
    const first = await startWith(undefined, {}, { container });
    const second = startWith(undefined, {}, { container });
    await expect(second).rejects.toThrow(LockConfigError);
    await expect(second).rejects.toThrow('a container of its own');
    expect(lock.L()).toBe(first.get(Locker));
    expect(await lock.L().with('k', () => 1)).toBe(1);
    await first.stop();
    const third = await startWith(undefined, {}, { container });
    expect(third.get(Locker)).toBe(lock.L());
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

test('the locks are down in the health of an app before they have started, and after they have stopped', async () => {
  const seen: unknown[] = [];
  const look = async (of: App) => void seen.push(await of.health());
  const made = createApp({ env: {} }).install({ name: 'http', start: look, stop: look }, lockProvider);
  await made.start();
  await look(made);
  await made.stop();
  expect(seen).toEqual([
    { lock: { status: 'down', error: 'the locks have not started' } },
    { 'lock.memory': { status: 'up', latencyMs: expect.any(Number) } },
    { 'lock.memory': { status: 'down', error: 'lock: closed' } },
  ]);
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
    const before = performance.now();
    const stopping = made.stop();
    expect(await waiting).toBeInstanceOf(LockClosedError);
    expect(lease.held).toBe(true);
    await stopping;
    const took = performance.now() - before;
    expect(took).toBeGreaterThan(198);
    // Less than the 5 s that holders have by default.
    expect(took).toBeLessThan(4_500);
    expect(lease.held).toBe(false);
    expect(lease.signal.reason).toMatchObject({ code: 'LOCK_LOST', reason: 'closed' });
    await expect(locker.acquire('c')).rejects.toThrow(LockClosedError);
  });

  test('ends whatever a driver does, and fails where it did not close', async () => {
    const never = () => new Promise<never>(() => {});
    const stuck = (): LockDriver => {
      const right = memoryDriver();
      return {
        acquire: (request) => right.acquire(request),
        extend: never,
        release: never,
        inspect: never,
        ping: async () => {},
        close: never,
      };
    };
    const made = await startWith({ provider: 'stuck', drivers: { stuck }, grace: '100ms' });
    const lease = await lock.L().acquire('k', { ttl: '1h' });
    jest.useFakeTimers();
    try {
      const stopped = made.stop().catch((reason) => reason);
      await jest.advanceTimersByTimeAsync(30_000);
      expect(await stopped).toMatchObject({
        code: 'LOCK_BACKEND',
        message: expect.stringContaining('"stuck"'),
      });
    } finally {
      jest.useRealTimers();
    }
    expect(lease.held).toBe(false);
    expect(lease.signal.reason).toMatchObject({ reason: 'closed' });
    expect(() => lock.L()).toThrow(LockConfigError);
    expect(made.container.isBound(Locker)).toBe(false);
    await expect(made.stop()).rejects.toMatchObject({ code: 'LOCK_BACKEND' });
    apps.pop();
  });

  test.each<[string, () => LockDriver | Promise<LockDriver>]>([
    ['is never made', () => new Promise<never>(() => {})],
    ['never answers', () => Object.assign(memoryDriver(), { ping: () => new Promise<never>(() => {}) })],
  ])('while the start waits for a driver that %s closes those that have connected', async (_, stuck) => {
    const close = jest.fn(async () => {});
    const good = () => Object.assign(memoryDriver(), { close });
    const lockers = { one: { driver: 'good' }, two: { driver: 'stuck' } };
    const made = app(lockProvider({ provider: 'good', drivers: { good, stuck }, lockers }));
    jest.useFakeTimers({ doNotFake: ['performance'] });
    try {
      const started = made.start().catch((reason) => reason);
      await jest.advanceTimersByTimeAsync(1);
      const stopped = made.stop();
      await jest.advanceTimersByTimeAsync(4_900);
      expect(close).not.toHaveBeenCalled();
      await jest.advanceTimersByTimeAsync(200);
      await stopped;
      expect(await started).toMatchObject({ code: 'APP_STOPPED' });
      expect(close).toHaveBeenCalledTimes(1);
    } finally {
      jest.useRealTimers();
    }
    expect(() => lock.L()).toThrow(LockConfigError);
    expect(made.container.isBound(Locker)).toBe(false);
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
