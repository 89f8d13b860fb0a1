import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { afterEach, describe, expect, test } from '@jest/globals';
import { LockLostError, LockNotHeldError } from '../../src/core/errors.js';
import type { ListProgress, LockInfo } from '../../src/lease/driver.js';
import { LockRegistry } from '../../src/registry.js';
import { Bed, down, watch } from '../support/bed.js';

const undo: (() => void)[] = [];
afterEach(() => {
  for (const stop of undo.splice(0)) stop();
});

function record(channel: string): Record<string, unknown>[] {
  const seen: Record<string, unknown>[] = [];
  const note = (message: unknown) => void seen.push({ ...(message as object) });
  subscribe(channel, note);
  undo.push(() => unsubscribe(channel, note));
  return seen;
}

async function all(infos: AsyncIterable<LockInfo>): Promise<LockInfo[]> {
  const seen: LockInfo[] = [];
  for await (const info of infos) seen.push(info);
  return seen;
}

describe('a hold that is revoked', () => {
  test('is lost at once, its holder is told, and the next has the key under a larger fence', async () => {
    const { locker, clock } = new Bed();
    const lease = await locker.acquire('a', { autoRenew: true });
    const { signal } = lease;
    const next = watch(locker.acquire('a'));
    await clock.advance(0);
    expect(await locker.revoke('a', lease.fence)).toBe(true);
    expect(signal.reason).toBeInstanceOf(LockLostError);
    expect(signal.reason).toMatchObject({ code: 'LOCK_LOST', reason: 'revoked', key: 'a' });
    expect([lease.held, lease.ttl()]).toEqual([false, 0]);
    expect(() => lease.ensureHeld()).toThrow(signal.reason);
    expect([await lease.refresh(), await lease.extend(1), await lease.release()]).toEqual([
      false,
      false,
      false,
    ]);
    await clock.advance(0);
    expect(next.value!.fence).toBeGreaterThan(lease.fence);
    expect(next.value!.held).toBe(true);
  });

  test('is the one of that very fence', async () => {
    const { locker } = new Bed();
    const lease = await locker.acquire('a');
    expect(await locker.revoke('a', lease.fence + 1)).toBe(false);
    expect(await locker.revoke('b', lease.fence)).toBe(false);
    expect([lease.held, lease.signal.aborted]).toEqual([true, false]);
  });

  test('ends a with: fn is told, and it rejects with the loss', async () => {
    const { locker } = new Bed();
    const running = locker.with('a', async (lease) => {
      await locker.revoke('a', lease.fence);
      expect(lease.signal.aborted).toBe(true);
      return 'done';
    });
    await expect(running).rejects.toMatchObject({ code: 'LOCK_LOST', reason: 'revoked' });
  });

  test('of several keys loses the lease, and frees the others', async () => {
    const { locker } = new Bed();
    const lease = await locker.acquire(['a', 'b', 'c']);
    const fence = (await locker.inspect('b'))!.holders[0]!.fence;
    expect(await locker.revoke('b', fence)).toBe(true);
    expect(lease.signal.reason).toMatchObject({ reason: 'revoked', key: ['a', 'b', 'c'] });
    for (const key of ['a', 'b', 'c']) expect(await locker.inspect(key)).toBeNull();
  });

  test('while other keys are awaited is taken anew', async () => {
    const { locker, clock } = new Bed();
    const held = await locker.acquire('b', { ttl: '1h' });
    const both = watch(locker.acquire(['a', 'b']));
    await clock.advance(0);
    const first = (await locker.inspect('a'))!.holders[0]!.fence;
    expect(await locker.revoke('a', first, { grace: '1m' })).toBe(true);
    await held.release();
    await clock.advance(0);
    expect([both.state, both.value?.held, both.value?.signal.aborted]).toEqual(['fulfilled', true, false]);
    expect((await locker.inspect('a'))!.holders[0]!.fence).toBeGreaterThan(first);
  });
});

describe('a grace', () => {
  test('lets the holder finish: it is told at once, holds on, renews no more, and its release is no loss', async () => {
    const { locker, clock, count } = countedBed();
    const lost = record('latchkey:lost');
    const lease = await locker.acquire('a', { ttl: 900, autoRenew: true });
    await clock.advance(100);
    expect(await locker.revoke('a', lease.fence, { grace: '500ms' })).toBe(true);
    expect(lease.signal.reason).toMatchObject({ reason: 'revoked' });
    expect([lease.held, lease.ttl()]).toEqual([true, 500]);
    lease.ensureHeld();
    expect([await lease.refresh(), await lease.extend('1s')]).toEqual([false, false]);
    await clock.advance(499);
    expect([lease.held, lease.ttl()]).toEqual([true, 1]);
    expect(count('extend')).toBe(0);
    expect(await lease.release()).toBe(true);
    await clock.advance(10_000);
    expect(lost).toEqual([]);
  });

  test('is told once, however often the backend tells, and the shortest counts', async () => {
    const revoked = record('latchkey:revoked');
    const bed = new Bed();
    const tell = onRevoked(bed);
    const lease = await bed.locker.acquire('a', { ttl: '1m' });
    for (const grace of [900, 500, 700]) tell(grace);
    expect(revoked).toMatchObject([{ keys: ['a'], grace: 900 }]);
    expect(lease.ttl()).toBe(500);
    await bed.clock.advance(500);
    expect(() => lease.ensureHeld()).toThrow(/it was revoked/);
  });

  test('that comes after the release is not told', async () => {
    const seen = [record('latchkey:revoked'), record('latchkey:lost')];
    const bed = new Bed();
    const tell = onRevoked(bed);
    const lease = await bed.locker.acquire('a');
    await lease.release();
    tell(500);
    tell(0);
    await bed.clock.advance(500);
    expect([...seen, lease.signal.aborted]).toEqual([[], [], false]);
    expect(() => lease.ensureHeld()).toThrow(LockNotHeldError);
  });

  test('that is over loses the lease, for that reason', async () => {
    const { locker, clock } = new Bed();
    const lost = record('latchkey:lost');
    const lease = await locker.acquire('a', { ttl: 900, autoRenew: true });
    await locker.revoke('a', lease.fence, { grace: 500 });
    await clock.advance(499);
    expect([lease.held, lost.length]).toEqual([true, 0]);
    await clock.advance(1);
    expect(lease.held).toBe(false);
    expect(() => lease.ensureHeld()).toThrow(LockLostError);
    expect(lost).toMatchObject([{ keys: ['a'], fence: lease.fence, error: { reason: 'revoked' } }]);
    expect(await lease.release()).toBe(false);
  });

  test('does not prolong a lease that ends before; that is a revocation too', async () => {
    const { locker, clock } = new Bed();
    const lease = await locker.acquire('a', { ttl: 300, autoRenew: true });
    await locker.revoke('a', lease.fence, { grace: '1h' });
    expect(lease.ttl()).toBe(300);
    await clock.advance(300);
    expect(lease.held).toBe(false);
    expect(() => lease.ensureHeld()).toThrow(/it was revoked/);
  });

  test('lets a with end well', async () => {
    const { locker, clock } = new Bed();
    const running = watch(
      locker.with('a', async (lease) => {
        await new Promise((resolve) => lease.signal.addEventListener('abort', resolve));
        return 'put away';
      }),
    );
    await clock.advance(0);
    await locker.revoke('a', (await locker.inspect('a'))!.holders[0]!.fence, { grace: '1s' });
    await clock.advance(0);
    expect(running.value).toBe('put away');
  });

  test('a renewal that was on its way is no theft', async () => {
    const { locker, clock, instead, memory } = new Bed();
    instead.extend = async (grant, ttl) => {
      await new Promise<void>((resolve) => void clock.after(100, resolve));
      return memory.extend(grant, ttl);
    };
    const lease = await locker.acquire('a', { ttl: 900, autoRenew: true });
    await clock.advance(320);
    await locker.revoke('a', lease.fence, { grace: 300 });
    await clock.advance(299);
    expect(lease.held).toBe(true);
    await clock.advance(1);
    expect(() => lease.ensureHeld()).toThrow(/it was revoked/);
  });

  test.each([true, false])(
    'a refresh that was on its way is refused, whether the backend did it: %p',
    async (done) => {
      const { locker, clock, instead, memory } = new Bed();
      instead.extend = async (grant, ttl) => {
        const answer = done && (await memory.extend(grant, ttl));
        await new Promise<void>((resolve) => void clock.after(100, resolve));
        return answer || memory.extend(grant, ttl);
      };
      const lease = await locker.acquire('a');
      const refreshed = watch(lease.refresh('1h'));
      const extended = watch(lease.extend('1h'));
      await clock.advance(50);
      await locker.revoke('a', lease.fence, { grace: '1s' });
      await clock.advance(50);
      expect([refreshed.value, extended.value, lease.held]).toEqual([false, false, true]);
      expect(lease.ttl()).toBe(950);
    },
  );

  test('but the loss of another key is one', async () => {
    const bed = new Bed();
    const { locker, clock, instead, memory } = bed;
    instead.extend = async (grant, ttl) => {
      await new Promise<void>((resolve) => void clock.after(100, resolve));
      return memory.extend(grant, ttl);
    };
    const lease = await locker.acquire(['a', 'b'], { ttl: 900, autoRenew: true });
    await bed.steal(lease, 'a');
    await clock.advance(320);
    await locker.revoke('b', (await locker.inspect('b'))!.holders[0]!.fence, { grace: '1m' });
    expect(lease.held).toBe(true);
    await clock.advance(100);
    expect(lease.held).toBe(false);
  });
});

describe('what is told', () => {
  test('latchkey:revoked tells of those who have a grace, latchkey:lost of those whose lease is over', async () => {
    const [revoked, lost] = [record('latchkey:revoked'), record('latchkey:lost')];
    const { locker } = new Bed();
    const [patient, brief] = [await locker.acquire('a'), await locker.acquire('b')];
    await locker.revoke('a', patient.fence, { grace: '2s' });
    await locker.revoke('b', brief.fence);
    const error = expect.objectContaining({ reason: 'revoked' });
    const about = { locker: 'default', mode: 'write', meta: patient.meta, error };
    expect(revoked).toEqual([{ ...about, keys: ['a'], fence: patient.fence, grace: 2_000 }]);
    expect(lost).toEqual([{ ...about, keys: ['b'], fence: brief.fence }]);
    expect(JSON.stringify([revoked, lost])).not.toContain(patient.token);
  });

  test('a wrong fence or grace is refused by name', async () => {
    const { locker } = new Bed();
    for (const fence of [0, -1, 1.5, Number.NaN, '1', null, undefined])
      await expect(locker.revoke('a', fence as number)).rejects.toMatchObject({
        code: 'LOCK_USAGE',
        option: 'fence',
      });
    for (const grace of [-1, 'x', Number.NaN])
      await expect(locker.revoke('a', 1, { grace: grace as number })).rejects.toMatchObject({
        option: 'grace',
      });
  });

  test('a driver that cannot revoke or list says so; one that fails is an outage', async () => {
    const { memory, instead, locker } = new Bed();
    const { acquire, extend, release, inspect, ping, close } = memory;
    const plain = { acquire, extend, release, inspect, ping, close };
    for (const [name, method] of Object.entries(plain)) Object.assign(plain, { [name]: method.bind(memory) });
    const poor = new LockRegistry().registerDriver('memory', plain).mustOf();
    await expect(poor.revoke('a', 1)).rejects.toMatchObject({ code: 'LOCK_CONFIG' });
    await expect(poor.revoke('a', 1)).rejects.toThrow('driver "memory" cannot revoke');
    await expect(all(poor.list())).rejects.toThrow('driver "memory" cannot list');
    instead.revoke = down;
    instead.list = () => {
      throw new Error('odd');
    };
    await expect(locker.revoke('a', 1)).rejects.toMatchObject({ code: 'LOCK_BACKEND' });
    await expect(all(locker.list())).rejects.toMatchObject({ code: 'LOCK_BACKEND' });
  });
});

describe('list', () => {
  test('gives what is held, awaited or rests under this locker’s prefix, by the keys that callers use', async () => {
    const { locker, registry, clock } = new Bed();
    const other = registry.registerLocker('other', { prefix: 'other:' }).mustOf('other');
    const lease = await locker.acquire('order:{1}', { meta: { job: '7' } });
    await locker.acquire('order:%2', { mode: 'read', limit: 3 });
    watch(locker.acquire('order:%2'));
    await locker.with('order:3', () => 1, { atLeast: '1m' });
    await locker.acquire('invoice');
    await other.acquire('order:{1}');
    await clock.advance(0);
    const keys = async (options?: { prefix?: string }) =>
      (await all(locker.list(options))).map(({ key }) => key).sort();
    expect(await keys()).toEqual(['invoice', 'order:%2', 'order:3', 'order:{1}']);
    expect(await keys({})).toHaveLength(4);
    expect(await keys({ prefix: 'order:' })).toEqual(['order:%2', 'order:3', 'order:{1}']);
    expect(await keys({ prefix: 'order:{' })).toEqual(['order:{1}']);
    expect(await keys({ prefix: 'order:%' })).toEqual(['order:%2']);
    expect((await all(other.list())).map(({ key }) => key)).toEqual(['order:{1}']);
    const infos = await all(locker.list({ prefix: 'order:' }));
    expect(infos.find(({ key }) => key === 'order:{1}')).toEqual(await locker.inspect('order:{1}'));
    expect(infos.find(({ key }) => key === 'order:%2')).toMatchObject({ waiters: 1, mode: 'read', limit: 3 });
    expect(infos.find(({ key }) => key === 'order:3')).toMatchObject({ restsUntil: expect.any(Number) });
    expect(await locker.revoke('order:{1}', lease.fence)).toBe(true);
  });

  test('gives onProgress to the driver, and refuses one that is no function', async () => {
    const { locker, instead, memory } = new Bed();
    const told: ListProgress[] = [];
    instead.list = (prefix, onProgress) => {
      onProgress?.({ seen: 7 });
      return memory.list!(prefix);
    };
    await locker.acquire('a');
    expect(await all(locker.list({ onProgress: (progress) => told.push(progress) }))).toHaveLength(1);
    expect(told).toEqual([{ seen: 7 }]);
    expect(await all(locker.list({ onProgress: undefined }))).toHaveLength(1);
    for (const onProgress of [5, null, {}])
      await expect(all(locker.list({ onProgress: onProgress as never }))).rejects.toMatchObject({
        code: 'LOCK_USAGE',
        option: 'onProgress',
        value: onProgress,
      });
  });

  test('refuses a prefix that is no text', async () => {
    const { locker } = new Bed();
    await expect(all(locker.list({ prefix: 5 as never }))).rejects.toThrow('expected `prefix` to be text');
    await expect(all(locker.list({ prefix: 5 as never }))).rejects.toMatchObject({
      option: 'prefix',
      value: 5,
    });
  });
});

/** Tells of the next hold that it is revoked, as the driver does. */
function onRevoked({ instead, memory }: Bed): (grace: number) => void {
  let tell!: (grace: number) => void;
  instead.acquire = (request) => {
    tell = request.onRevoked!;
    return memory.acquire(request);
  };
  return (grace) => tell(grace);
}

function countedBed() {
  const bed = new Bed();
  return { locker: bed.locker, clock: bed.clock, count: (what: string) => bed.count(what) };
}
