import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Duration } from '../../src/core/duration.js';
import { LockUsageError } from '../../src/core/errors.js';
import { DEFAULTS, parseTtl, resolveOptions } from '../../src/lease/options.js';
import { KeyedMutex } from '../../src/mutex/keyed-mutex.js';
import { LockRegistry } from '../../src/registry.js';
import { usageOf } from '../support/usage.js';

async function all(things: AsyncIterable<unknown>): Promise<unknown[]> {
  const seen: unknown[] = [];
  for await (const thing of things) seen.push(thing);
  return seen;
}

const { registry, locker } = (() => {
  const made = new LockRegistry();
  return { registry: made, locker: made.mustOf() };
})();

const NO_TIME = [-1, Number.NaN, Infinity, '', '10x', '10', 1e13, null, true, {}];
const BAD: Record<string, unknown[]> = {
  ttl: [...NO_TIME, 0, 0.5, '0s', 'forever'],
  wait: [...NO_TIME, 'never', -Infinity],
  mode: ['', 'rw', 'READ', null, 1, true],
  autoRenew: [0, 1, 'true', null],
  maxHold: [...NO_TIME, 0, 'forever'],
  limit: [0, -1, 1.5, Number.NaN, Infinity, '5', null, true],
  atLeast: [...NO_TIME, 'forever'],
  renewIn: ['', 'worker', null, 1, true],
  maxBlock: [...NO_TIME, 0, 'forever'],
  retryInterval: [...NO_TIME, 0],
  retry: [0, 'x', null, {}, () => [0], [0][Symbol.iterator]()],
  signal: [null, {}, 'x', new AbortController()],
  meta: [null, 'x', 5, ['a']],
};
const CASES = Object.entries(BAD).flatMap(([option, values]) =>
  values.map((value) => [option, value] as const),
);
const never = () => {
  throw new Error('fn was run');
};

describe('every option of a locker', () => {
  test.each(CASES)('%s: %p is refused by name, by every method', async (option, value) => {
    const options = { [option]: value } as object;
    const calls = [
      () => locker.acquire('k', options),
      () => locker.tryAcquire('k', options),
      () => locker.with('k', never, options),
      () => locker.tryWith('k', never, options),
      async () => locker.New('k', undefined, options),
      async () => registry.registerLocker(`bad ${option}`, options),
    ];
    for (const call of calls) {
      const error = await call().catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(LockUsageError);
      expect(error).toMatchObject({ code: 'LOCK_USAGE', option });
      expect((error as LockUsageError).value).toBe(value);
      expect((error as Error).message).toContain(`\`${option}\``);
    }
    expect(registry.of(`bad ${option}`)).toBeUndefined();
    expect(await locker.inspect('k')).toBeNull();
  });

  test.each([
    ['ttll', 'ttl'],
    ['tttl', 'ttl'],
    ['TTL', 'ttl'],
    ['retryintervall', 'retryInterval'],
    ['atleast', 'atLeast'],
    ['autorenew', 'autoRenew'],
    ['limti', 'limit'],
    ['maxhold', 'maxHold'],
  ])('%s is unknown, and the error names %s', async (wrong, right) => {
    const options = { [wrong]: undefined } as object;
    const calls = [
      () => locker.acquire('k', options),
      () => locker.tryAcquire('k', options),
      () => locker.with('k', never, options),
      () => locker.tryWith('k', never, options),
      () => locker.once('k', 1, never, options),
      () => locker.lead('k', never, options),
      async () => locker.New('k', undefined, options),
      async () => registry.registerLocker('unknown', options),
    ];
    for (const call of calls) {
      const error = await call().catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code: 'LOCK_USAGE', option: wrong });
      expect((error as Error).message).toContain(`did you mean \`${right}\`?`);
    }
    expect(registry.of('unknown')).toBeUndefined();
  });

  test('a name that is like none is refused with all that there are', async () => {
    const error = await locker.acquire('k', { constructor: 1 } as object).catch((reason: Error) => reason);
    expect(error).toMatchObject({ code: 'LOCK_USAGE', option: 'constructor' });
    for (const name of ['ttl', 'wait', 'limit', 'meta'])
      expect((error as Error).message).toMatch(new RegExp(`there are: .*${name}`));
  });

  test('driver and prefix are options of a locker, not of a call', async () => {
    for (const name of ['driver', 'prefix']) {
      await expect(locker.acquire('k', { [name]: 'x' } as object)).rejects.toMatchObject({ option: name });
    }
  });

  test('of close, list and revoke too', async () => {
    const of = (call: Promise<unknown>) => call.catch((error: unknown) => error);
    const named = (option: string) => expect.objectContaining({ code: 'LOCK_USAGE', option });
    expect(await of(registry.close({ grase: 1 } as object))).toEqual(named('grase'));
    expect(await of(locker.revoke('k', 1, { grase: 1 } as object))).toEqual(named('grase'));
    expect(await of(all(locker.list({ prefx: '' } as object)))).toEqual(named('prefx'));
  });

  test('metadata may have 4,096 bytes of JSON, all together', async () => {
    const own = (text: string) => locker.acquire('meta', { meta: { text } });
    const rest = Buffer.byteLength(JSON.stringify({ ...DEFAULTS.meta, text: '' }));
    for (const letter of ['x', '\u0001', 'é']) {
      const size = Buffer.byteLength(JSON.stringify(letter)) - 2;
      const fits = letter.repeat(Math.floor((4_096 - rest) / size));
      const lease = await own(fits);
      expect(lease.meta.text).toBe(fits);
      await lease.release();
      await expect(own(fits + letter)).rejects.toMatchObject({ code: 'LOCK_USAGE', option: 'meta' });
      await expect(own(fits + letter)).rejects.toThrow(/at most 4096 bytes of JSON, which has 4\d{3}/);
    }
    expect(usageOf(() => registry.registerLocker('big', { meta: { a: 'x'.repeat(5_000) } })).option).toBe(
      'meta',
    );
  });

  test('metadata that is no text is named', async () => {
    const asked = locker.acquire('k', { meta: { n: 5 } as never });
    await expect(asked).rejects.toMatchObject({ option: 'meta.n', value: 5 });
    await expect(asked).rejects.toThrow('expected `meta.n` to be text');
  });

  test.each(['x', 5, null])('options %p are no object', async (options) => {
    for (const call of [
      locker.acquire('k', options as never),
      locker.tryAcquire('k', options as never),
      locker.with('k', never, options as never),
      locker.tryWith('k', never, options as never),
    ]) {
      await expect(call).rejects.toMatchObject({ option: 'options', value: options });
    }
  });
});

describe('keys, functions and names', () => {
  test.each([[''], [5], [null], [undefined], [{}], [['a', '']], [[]], ['x'.repeat(3_000)]])(
    'key %p',
    async (key) => {
      const bad = key as string;
      const calls = [
        () => locker.acquire(bad),
        () => locker.tryAcquire(bad),
        () => locker.with(bad, never),
        () => locker.tryWith(bad, never),
        () => locker.inspect(bad),
        () => locker.once(bad, 1, never),
        () => locker.lead(bad, never),
        () => locker.revoke(bad, 1),
        async () => locker.New(bad),
      ];
      for (const call of calls)
        await expect(call()).rejects.toMatchObject({ code: 'LOCK_USAGE', option: 'key' });
    },
  );

  test.each([undefined, null, 'x', {}])('fn %p', async (fn) => {
    const locks = new KeyedMutex();
    const calls = [
      locker.with('k', fn as never),
      locker.tryWith('k', fn as never),
      locker.once('k', 1, fn as never),
      locker.lead('k', fn as never),
      locks.lockFunc('k', fn as never),
      locks.rLockFunc('k', fn as never),
      locks.tryLockFunc('k', fn as never),
      locks.tryRLockFunc('k', fn as never),
    ];
    for (const call of calls) await expect(call).rejects.toMatchObject({ code: 'LOCK_USAGE', option: 'fn' });
    expect(locks.size).toBe(0);
    expect(await locker.inspect('k')).toBeNull();
  });

  test('drivers, prefixes, names and grace', async () => {
    const named = (option: string) => expect.objectContaining({ code: 'LOCK_USAGE', option });
    for (const prefix of ['{', 5, null]) {
      expect(usageOf(() => registry.registerLocker('p', { prefix: prefix as string }))).toEqual(
        named('prefix'),
      );
    }
    for (const driver of ['', 5, null]) {
      expect(usageOf(() => registry.registerLocker('p', { driver: driver as string }))).toEqual(
        named('driver'),
      );
      expect(usageOf(() => registry.registerDriver('p', driver as never))).toEqual(named('driver'));
    }
    for (const name of ['', 5, null]) {
      expect(usageOf(() => registry.registerLocker(name as string))).toEqual(named('name'));
      expect(usageOf(() => registry.registerDriver(name as string, never))).toEqual(named('name'));
    }
    for (const grace of [-1, 'x', Number.NaN]) {
      await expect(registry.close({ grace: grace as Duration })).rejects.toEqual(named('grace'));
    }
    expect(await locker.tryAcquire('still open')).not.toBeNull();
  });
});

describe('what a hold is given', () => {
  test.each([...NO_TIME.filter((value) => value !== undefined), 0])(
    'refresh(%p) and extend',
    async (value) => {
      const lease = await locker.acquire(`r ${String(value)}`);
      const lock = locker.New(`h ${String(value)}`);
      await lock.lock();
      const bad = value as Duration;
      await expect(lease.refresh(bad)).rejects.toMatchObject({ option: 'ttl', value });
      await expect(lock.refresh(bad)).rejects.toMatchObject({ option: 'ttl', value });
      if (value !== 0) {
        await expect(lease.extend(bad)).rejects.toMatchObject({ option: 'by', value });
        await expect(lock.extend(bad)).rejects.toMatchObject({ option: 'by', value });
      }
      expect(lease.held).toBe(true);
      await lease.release();
      await lock.unlock();
    },
  );

  test.each([
    ['wait', '10x'],
    ['wait', -1],
    ['signal', {}],
    ['signal', null],
    ['singal', undefined],
  ])('lock({ %s: %p }) of a handle', async (option, value) => {
    await expect(locker.New('h').lock({ [option]: value } as object)).rejects.toMatchObject({
      option,
      value,
    });
  });

  test('New(key, ttl) checks its ttl', () => {
    for (const ttl of [0, '10x', -1] as Duration[])
      expect(usageOf(() => locker.New('h', ttl)).option).toBe('ttl');
  });
});

describe('a keyed mutex', () => {
  test.each([
    ['wait', '10x'],
    ['wait', null],
    ['wait', -1],
    ['signal', {}],
    ['signal', null],
  ])('%s: %p', async (option, value) => {
    const locks = new KeyedMutex();
    const options = { [option]: value } as object;
    for (const call of [
      locks.lock('k', options),
      locks.rLock('k', options),
      locks.lockFunc('k', never, options),
      locks.rLockFunc('k', never, options),
    ]) {
      await expect(call).rejects.toMatchObject({ code: 'LOCK_USAGE', option, value });
    }
    expect(locks.size).toBe(0);
  });

  test('options that are no object, and retries that are no strategy', async () => {
    const locks = new KeyedMutex();
    await expect(locks.lock('k', 5 as never)).rejects.toMatchObject({ option: 'options' });
    await expect(locks.lock('k', null as never)).rejects.toMatchObject({ option: 'options' });
    await expect(locks.tryLockWithRetry('k', 5 as never)).rejects.toMatchObject({ option: 'retry' });
    await expect(locks.tryLockWithRetry('k', [-1])).rejects.toMatchObject({ option: 'retry', value: -1 });
    expect(locks.size).toBe(0);
  });
});

describe('what is asked for together', () => {
  test('a limit is for those who share: not with mode write', async () => {
    const named = { code: 'LOCK_USAGE', option: 'limit', value: 5 };
    await expect(locker.acquire('k', { limit: 5, mode: 'write' })).rejects.toMatchObject(named);
    expect(usageOf(() => registry.registerLocker('both', { limit: 5, mode: 'write' }))).toMatchObject(named);
  });

  test('a limit makes a reader, whatever the locker does; mode write makes a writer, whatever its limit', () => {
    const five = resolveOptions(DEFAULTS, { limit: 5 });
    expect(five).toMatchObject({ mode: 'read', limit: 5 });
    expect(resolveOptions(five, { ttl: 1 })).toMatchObject({ mode: 'read', limit: 5 });
    expect(resolveOptions(five, { mode: 'read' })).toMatchObject({ mode: 'read', limit: 5 });
    expect(resolveOptions(five, { limit: 2 })).toMatchObject({ mode: 'read', limit: 2 });
    expect(resolveOptions(five, { mode: 'write' })).toMatchObject({ mode: 'write', limit: undefined });
    const writer = resolveOptions(DEFAULTS, { mode: 'write' });
    expect(resolveOptions(writer, { limit: 2 })).toMatchObject({ mode: 'read', limit: 2 });
  });

  test('atLeast may be longer than the ttl only where the lease is renewed', async () => {
    const longer = { atLeast: '31s' } as const;
    const named = { code: 'LOCK_USAGE', option: 'atLeast', value: 31_000 };
    await expect(locker.acquire('k', longer)).rejects.toMatchObject(named);
    await expect(locker.acquire('k', longer)).rejects.toThrow('30000 ms');
    await expect(locker.tryAcquire('k', longer)).rejects.toMatchObject(named);
    await expect(locker.with('k', never, { ...longer, autoRenew: false })).rejects.toMatchObject(named);
    expect(usageOf(() => locker.New('k', undefined, longer))).toMatchObject(named);
    await (await locker.acquire('renewed', { ...longer, autoRenew: true })).release();
    await (await locker.acquire('as long', { ...longer, ttl: '31s' })).release();
    expect(await locker.with('with', () => 1, longer)).toBe(1);
    registry.registerLocker('rests', longer);
    await expect(registry.mustOf('rests').acquire('k')).rejects.toMatchObject(named);
  });

  test('once and lead are alone, whatever the locker shares', async () => {
    const five = registry.registerLocker('five', { limit: 5, prefix: 'five:' }).mustOf('five');
    expect(await five.once('k', 1, (lease) => lease.mode)).toEqual({ ran: true, value: 'write' });
    expect(await five.lead('k', (lease) => lease.mode)).toBe('write');
    for (const [options, option] of [
      [{ limit: 1 }, 'limit'],
      [{ mode: 'read' }, 'mode'],
    ] as const) {
      await expect(locker.once('k', 1, never, options)).rejects.toMatchObject({ code: 'LOCK_USAGE', option });
      await expect(locker.lead('k', never, options)).rejects.toMatchObject({ code: 'LOCK_USAGE', option });
    }
  });
});

describe('resolving', () => {
  test('undefined is unset, durations become ms, metadata adds up', () => {
    expect(resolveOptions(DEFAULTS, undefined)).toEqual(DEFAULTS);
    expect(resolveOptions(DEFAULTS, { ttl: undefined, wait: undefined, meta: undefined })).toEqual(DEFAULTS);
    const settings = resolveOptions(DEFAULTS, { ttl: '1m', wait: 'forever', meta: { job: '7' } });
    expect(settings).toMatchObject({ ttl: 60_000, wait: Infinity, meta: { ...DEFAULTS.meta, job: '7' } });
    expect(resolveOptions(settings, { meta: { job: '8', more: '' } }).meta).toEqual({
      ...DEFAULTS.meta,
      job: '8',
      more: '',
    });
  });

  test('the defaults are those of the contract', () => {
    expect(DEFAULTS).toMatchObject({
      prefix: 'lock:',
      ttl: 30_000,
      wait: 30_000,
      mode: 'write',
      retryInterval: 100,
    });
    expect(DEFAULTS.meta).toEqual({ host: expect.any(String), pid: String(process.pid) });
  });

  test('a ttl is in whole ms', () => {
    expect(parseTtl(1.2)).toBe(2);
    expect(parseTtl('1.5s')).toBe(1_500);
  });

  test('whatever an option is, it is taken, or refused with a LockUsageError naming it', () => {
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(BAD)), fc.anything(), (option, value) => {
        try {
          resolveOptions(DEFAULTS, { [option]: value } as object);
        } catch (error) {
          expect(error).toBeInstanceOf(LockUsageError);
          expect((error as LockUsageError).option).toMatch(new RegExp(`^${option}`));
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
