import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { type DynamicModule, Inject, Injectable, Module } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import {
  currentLease,
  LockBackendError,
  LockClosedError,
  LockConfigError,
  Locker,
  LockRegistry,
  LockUsageError,
  WithLock,
} from '../../src/locks.js';
import {
  getLockerToken,
  InjectLocker,
  LatchkeyModule,
  type LockProviderOptions,
  lock,
  lockHealth,
} from '../../src/nestjs/index.js';
import { memoryLocks } from '../../src/testing/index.js';
import { startRedis } from '../support/redis-server.js';
import { deferred } from '../support/wait.js';

@Injectable()
class Orders {
  running = 0;
  most = 0;

  constructor(
    @Inject(Locker) readonly locker: Locker,
    @InjectLocker('jobs') readonly jobs: Locker,
    @Inject(LockRegistry) readonly registry: LockRegistry,
  ) {}

  @WithLock('order:{0.id}')
  async pay(order: { id: number }, work: Promise<void> = Promise.resolve()): Promise<string> {
    this.most = Math.max(this.most, ++this.running);
    await work;
    this.running--;
    return `${order.id} under ${currentLease()?.key}`;
  }

  @WithLock('tidy', { locker: 'jobs', ttl: '5s' })
  async tidy(): Promise<number | undefined> {
    return currentLease()?.ttl();
  }

  @WithLock('own', { locker: (self: Orders) => self.jobs })
  async own(): Promise<boolean> {
    return (await this.jobs.inspect('own')) !== null;
  }
}

@Module({ providers: [Orders], exports: [Orders] })
class OrdersModule {}

@Module({ providers: [{ provide: 'SETTINGS', useValue: { ttl: '7s' } }], exports: ['SETTINGS'] })
class SettingsModule {}

const apps: TestingModule[] = [];
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
});

async function start(locks: DynamicModule): Promise<TestingModule> {
  const app = await Test.createTestingModule({ imports: [OrdersModule, locks] }).compile();
  apps.push(app);
  return app.init();
}

const settings = (registry: LockRegistry, name: string) => registry.info().find((info) => info.name === name);

/** Both ways to give the options. */
const WAYS: [string, (options: LockProviderOptions) => DynamicModule][] = [
  ['forRoot', (options) => LatchkeyModule.forRoot(options)],
  [
    'forRootAsync',
    (options) =>
      LatchkeyModule.forRootAsync({
        lockers: Object.keys(options.lockers ?? {}),
        useFactory: async () => options,
      }),
  ],
];

describe.each(WAYS)('%s', (_, locks) => {
  test('gives lockers by class and by name, and the registry, in every module', async () => {
    const orders = (await start(locks({ lockers: { jobs: { ttl: '5m', prefix: 'jobs:' } } }))).get(Orders);
    expect([orders.locker.name, orders.jobs.name]).toEqual(['default', 'jobs']);
    expect(orders.registry.of('jobs')).toBe(orders.jobs);
    expect(settings(orders.registry, 'jobs')).toMatchObject({
      ttl: 300_000,
      prefix: 'jobs:',
      driver: 'memory',
    });
  });

  test('runs @WithLock one at a time, by the default locker, by a named one, and by one of the object', async () => {
    const orders = (await start(locks({ lockers: { jobs: {} } }))).get(Orders);
    const gate = deferred();
    const same = [orders.pay({ id: 1 }, gate.promise), orders.pay({ id: 1 }, gate.promise)];
    expect(await orders.pay({ id: 2 })).toBe('2 under order:2');
    gate.resolve();
    expect(await Promise.all(same)).toEqual(['1 under order:1', '1 under order:1']);
    expect(orders.most).toBe(2);
    const ttl = await orders.tidy();
    expect(ttl).toBeGreaterThan(0);
    expect(ttl).toBeLessThanOrEqual(5_000);
    expect(await orders.own()).toBe(true);
    expect(await orders.jobs.inspect('own')).toBeNull();
  });

  test('the shutdown refuses new leases, rejects who waits, gives holders their grace, and then takes leases away', async () => {
    const app = await start(locks({ grace: 300, lockers: { jobs: {} } }));
    const { locker } = app.get(Orders);
    expect(lock.L()).toBe(locker);
    const lease = await locker.acquire('k', { ttl: '1m' });
    const waiting = locker.acquire('k').catch((error: unknown) => error);
    const started = performance.now();
    const closing = app.close();
    expect(await waiting).toBeInstanceOf(LockClosedError);
    expect(lease.held).toBe(true);
    await closing;
    const took = performance.now() - started;
    expect(took).toBeGreaterThan(250);
    expect(took).toBeLessThan(5_000);
    expect(lease.held).toBe(false);
    expect(lease.signal.reason).toMatchObject({ reason: 'closed' });
    await expect(locker.acquire('k')).rejects.toThrow(LockClosedError);
    expect(() => lock.L()).toThrow(LockConfigError);
  });

  test('on Redis, two apps exclude each other, and health tells of it', async () => {
    const redis = await startRedis();
    try {
      const options = { redis: { url: redis.url }, lockers: { jobs: { driver: 'memory' } } };
      const [one, two] = [
        (await start(locks(options))).get(Orders),
        (await start(locks(options))).get(Orders),
      ];
      expect(settings(one.registry, 'default')?.driver).toBe('redis');
      const lease = await one.locker.acquire('k');
      expect(await two.locker.tryAcquire('k')).toBeNull();
      await lease.release();
      const next = await two.locker.tryAcquire('k');
      expect(next!.fence).toBeGreaterThan(lease.fence);
      await next!.release();
      expect(await lockHealth(one.registry)).toEqual({
        'lock.redis': { status: 'up', latencyMs: expect.any(Number) },
        'lock.memory': { status: 'up', latencyMs: expect.any(Number) },
      });
      await redis.stop();
      const down = await lockHealth(one.registry);
      expect(down['lock.redis']).toMatchObject({
        status: 'down',
        error: expect.stringContaining('lock: backend'),
      });
      expect(down['lock.memory']).toMatchObject({ status: 'up' });
    } finally {
      await redis.stop();
    }
  });
});

test('forRootAsync calls its factory with what it injects, and has the lockers that it names', async () => {
  const app = await start(
    LatchkeyModule.forRootAsync({
      imports: [SettingsModule],
      inject: ['SETTINGS'],
      lockers: ['jobs'],
      useFactory: (given: { ttl: '7s' }) => ({ ttl: given.ttl }),
    }),
  );
  const { registry } = app.get(Orders);
  expect(registry.info().map(({ name, ttl }) => [name, ttl])).toEqual([
    ['default', 7_000],
    ['jobs', 7_000],
  ]);
});

test('the hooks of other modules may use lock.L(), from the start to the shutdown', async () => {
  const seen: string[] = [];
  const look = (hook: string) => lock.L().with('k', () => void seen.push(hook));
  @Injectable()
  class Job {
    onModuleInit = () => look('init');
    onApplicationBootstrap = () => look('bootstrap');
    onModuleDestroy = () => look('destroy');
    beforeApplicationShutdown = () => look('before shutdown');
    onApplicationShutdown = () => look('shutdown');
  }
  @Module({ providers: [Job] })
  class JobModule {}
  for (const imports of [
    [JobModule, LatchkeyModule.forRoot()],
    [LatchkeyModule.forRoot(), JobModule],
  ]) {
    const app = await Test.createTestingModule({ imports }).compile();
    await app.init();
    await app.close();
    expect(seen.splice(0)).toEqual(['init', 'bootstrap', 'destroy', 'before shutdown', 'shutdown']);
  }
});

test('memory that nobody asked for is told in production, and memory that is named is not', async () => {
  const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
  const before = process.env.NODE_ENV;
  process.env.NODE_ENV = 'production';
  try {
    await start(LatchkeyModule.forRoot({ provider: 'memory', lockers: { jobs: {} } }));
    expect(warn.mock.calls).toEqual([]);
    await start(LatchkeyModule.forRoot({ lockers: { jobs: {} } }));
    expect(warn.mock.calls).toEqual([
      [expect.stringContaining('lockers: default, jobs'), { code: 'LATCHKEY_MEMORY' }],
    ]);
  } finally {
    process.env.NODE_ENV = before;
    warn.mockRestore();
  }
});

test('wrong options are refused: at once by forRoot, at the start by forRootAsync', async () => {
  expect(() => LatchkeyModule.forRoot({ ttl: 0 })).toThrow(LockUsageError);
  const late = LatchkeyModule.forRootAsync({ lockers: ['jobs'], useFactory: () => ({ ttl: 0 }) });
  await expect(start(late)).rejects.toThrow('`ttl`');
  expect(() => LatchkeyModule.forRoot({ provder: 'redis' } as never)).toThrow('did you mean `provider`?');
  expect(() => InjectLocker('')).toThrow(LockUsageError);
  class Options {}
  const useFactory = () => ({});
  for (const wrong of [
    undefined,
    {},
    { useClass: Options },
    { useFactory: 1 },
    { useFactory, lockers: 'jobs' },
  ])
    expect(() => LatchkeyModule.forRootAsync(wrong as never)).toThrow(LockUsageError);
});

test('a locker that nobody named stops the start with its name', async () => {
  await expect(start(LatchkeyModule.forRoot())).rejects.toThrow('latchkey locker "jobs"');
});

test('a backend that does not serve stops the start, and nothing runs then', async () => {
  const locks = LatchkeyModule.forRoot({ redis: { url: 'redis://127.0.0.1:9' }, lockers: { jobs: {} } });
  await expect(start(locks)).rejects.toThrow(LockBackendError);
  expect(() => lock.L()).toThrow(LockConfigError);
});

test('two backends without a provider are refused', async () => {
  const locks = LatchkeyModule.forRoot({ redis: {}, postgres: {}, lockers: { jobs: {} } });
  await expect(start(locks)).rejects.toThrow('redis and postgres');
});

test('a test replaces a locker by its token', async () => {
  const registry = memoryLocks({ lockers: { jobs: {} } });
  const app = await Test.createTestingModule({
    imports: [OrdersModule, LatchkeyModule.forRoot({ lockers: { jobs: {} } })],
  })
    .overrideProvider(getLockerToken('jobs'))
    .useValue(registry.mustOf('jobs'))
    .compile();
  apps.push(app);
  expect(app.get(Orders).jobs).toBe(registry.of('jobs'));
});

test('a name of a locker that is no text is refused', () => {
  expect(() => getLockerToken(5 as never)).toThrow('`name` to be text that is not empty, got 5');
});
