import { describe, expect, test } from '@jest/globals';
import { LockBackendError, LockLostError, LockNotHeldError, type LossReason } from '../../src/core/errors.js';
import { memoryDriver } from '../../src/drivers/memory.js';
import { queuedDriver } from '../../src/engine/queued-driver.js';
import type { Lease } from '../../src/lease/lease.js';
import { LockRegistry } from '../../src/registry.js';
import { FakeClock, ModelServer } from '../../src/testing/index.js';
import { Bed, down, silent, watch } from '../support/bed.js';
import { blockEventLoop, deferred, sleep } from '../support/wait.js';

function expectLost(lease: Lease, reason: LossReason): void {
  expect(lease.held).toBe(false);
  expect(lease.ttl()).toBe(0);
  expect(lease.signal.aborted).toBe(true);
  expect(lease.signal.reason).toBeInstanceOf(LockLostError);
  expect(lease.signal.reason).toMatchObject({ code: 'LOCK_LOST', reason, key: lease.key });
  expect(() => lease.ensureHeld()).toThrow(lease.signal.reason);
}

describe('a lease', () => {
  test('says what it holds', async () => {
    const { locker } = new Bed();
    const lease = await locker.acquire('a', { meta: { job: '7' } });
    expect(lease).toMatchObject({ key: 'a', keys: ['a'], mode: 'write', held: true });
    expect(lease.meta).toMatchObject({ job: '7', pid: String(process.pid), host: expect.any(String) });
    expect(lease.token.length).toBeGreaterThan(20);
    expect(lease.fence).toBeGreaterThan(0);
    expect(Number.isSafeInteger(lease.fence)).toBe(true);
    lease.ensureHeld();
  });

  test('try with 1 s: a second try fails, and after the release the fence is larger', async () => {
    const { locker } = new Bed();
    const first = await locker.tryAcquire('a', { ttl: '1s' });
    expect(await locker.tryAcquire('a', { ttl: '1s' })).toBeNull();
    expect(await first!.release()).toBe(true);
    const second = await locker.tryAcquire('a', { ttl: '1s' });
    expect(second!.fence).toBeGreaterThan(first!.fence);
    expect(second!.token).not.toBe(first!.token);
  });

  test('of 5 s has 5, 4, 3 seconds left; refresh(2 s) then sets 2, extend(3 s) adds up to 5', async () => {
    const { locker, clock } = new Bed();
    const lease = await locker.acquire('a', { ttl: '5s' });
    for (const left of [5_000, 4_000, 3_000]) {
      expect(lease.ttl()).toBe(left);
      await clock.advance(1_000);
    }
    expect(await lease.refresh('2s')).toBe(true);
    expect(lease.ttl()).toBe(2_000);
    expect(await lease.extend('3s')).toBe(true);
    expect(lease.ttl()).toBe(5_000);
    await clock.advance(4_000);
    expect(await lease.refresh()).toBe(true);
    expect(lease.ttl()).toBe(5_000);
    expect(lease.held).toBe(true);
  });

  test('extended twice at once has both added', async () => {
    const { locker, instead } = new Bed();
    const lease = await locker.acquire('a', { ttl: '5s' });
    expect(await Promise.all([lease.extend('1s'), lease.extend('2s')])).toEqual([true, true]);
    expect(lease.ttl()).toBe(8_000);
    instead.extend = down;
    await expect(lease.extend('1s')).rejects.toBeInstanceOf(LockBackendError);
    delete instead.extend;
    expect(await lease.extend('1s')).toBe(true);
    expect(lease.ttl()).toBe(9_000);
  });

  test('is released by await using, whatever the block does', async () => {
    const { locker } = new Bed();
    const error = new Error('mine');
    const work = async () => {
      await using lease = await locker.acquire('a');
      expect(lease.held).toBe(true);
      throw error;
    };
    await expect(work()).rejects.toBe(error);
    expect(await locker.inspect('a')).toBeNull();
  });

  test('disposed of while the backend is down does not hide the error of the block', async () => {
    const { locker, instead } = new Bed();
    const error = new Error('mine');
    const work = async () => {
      await using _lease = await locker.acquire('a');
      instead.release = down;
      throw error;
    };
    await expect(work()).rejects.toBe(error);
  });
});

describe('release', () => {
  test('twice is fine and answers the same; refresh and extend afterwards are false', async () => {
    const { locker, calls } = new Bed();
    const lease = await locker.acquire('a');
    expect(await Promise.all([lease.release(), lease.release()])).toEqual([true, true]);
    expect(await lease.release()).toBe(true);
    expect(calls.filter(({ what }) => what === 'release')).toHaveLength(1);
    expect(await lease.refresh()).toBe(false);
    expect(await lease.extend('1s')).toBe(false);
    expect([lease.held, lease.ttl(), lease.signal.aborted]).toEqual([false, 0, false]);
    expect(() => lease.ensureHeld()).toThrow(LockNotHeldError);
    expect(() => lease.ensureHeld()).toThrow('lock: not held: "a": the lease was released');
  });

  test('of an expired lease is false and leaves the next holder’s lock intact', async () => {
    const { locker, clock } = new Bed();
    const first = await locker.acquire('a', { ttl: '1s' });
    await clock.advance(1_000);
    const second = await locker.acquire('a', { ttl: '9s' });
    expect(await first.release()).toBe(false);
    expect(await first.refresh()).toBe(false);
    expect((await locker.inspect('a'))?.holders[0]?.fence).toBe(second.fence);
    expect(await second.release()).toBe(true);
  });

  test('of a stolen lease is false', async () => {
    const bed = new Bed();
    const lease = await bed.locker.acquire('a');
    const rival = await bed.steal(lease);
    expect(await lease.release()).toBe(false);
    expect(await bed.memory.release(rival)).toBe(true);
  });

  test('while the backend is down rejects with LockBackendError', async () => {
    const { locker, instead } = new Bed();
    const lease = await locker.acquire('a');
    instead.release = down;
    await expect(lease.release()).rejects.toBeInstanceOf(LockBackendError);
    expect(lease.held).toBe(false);
  });

  test('racing a refresh is no loss', async () => {
    const { locker, instead, memory } = new Bed();
    const lease = await locker.acquire('a');
    const gate = deferred();
    instead.extend = async (grant, ttl) => {
      await gate.promise;
      return memory.extend(grant, ttl);
    };
    const refreshed = lease.refresh();
    expect(await lease.release()).toBe(true);
    gate.resolve();
    expect(await refreshed).toBe(false);
    expect(lease.signal.aborted).toBe(false);
  });

  test('racing a renewal is no loss, and no renewal starts afterwards', async () => {
    const { locker, instead, memory, clock, calls } = new Bed();
    const gate = deferred();
    instead.extend = async (grant, ttl) => {
      await gate.promise;
      return memory.extend(grant, ttl);
    };
    const lease = await locker.acquire('a', { ttl: 900, autoRenew: true });
    await clock.advance(400);
    expect(calls.filter(({ what }) => what === 'extend')).toHaveLength(1);
    expect(await lease.release()).toBe(true);
    gate.resolve();
    await clock.advance(10_000);
    expect(lease.signal.aborted).toBe(false);
    expect(calls.filter(({ what }) => what === 'extend')).toHaveLength(1);
    expect(clock.pending).toBe(0);
  });
});

describe('a lease is lost', () => {
  test('expired: when its time is up, and its signal says so at that time', async () => {
    const { locker, clock } = new Bed();
    const lease = await locker.acquire('a', { ttl: '1s' });
    const { signal } = lease;
    await clock.advance(999);
    expect([lease.held, signal.aborted]).toEqual([true, false]);
    await clock.advance(1);
    expectLost(lease, 'expired');
    expect(signal).toBe(lease.signal);
  });

  test('stolen: when the backend says so, at a refresh', async () => {
    const bed = new Bed();
    const lease = await bed.locker.acquire('a');
    await bed.steal(lease);
    expect(await lease.refresh()).toBe(false);
    expectLost(lease, 'stolen');
  });

  test('stolen: at the next renewal, long before its time is up', async () => {
    const bed = new Bed();
    const lease = await bed.locker.acquire('a', { ttl: 1_500, autoRenew: true });
    await bed.clock.advance(100);
    await bed.steal(lease);
    await bed.clock.advance(500);
    expectLost(lease, 'stolen');
  });

  test.each([
    ['fails', down],
    ['is silent', silent],
  ])('backend: when it %s for all the time left, told when that is up', async (_, extend) => {
    const { locker, clock, instead } = new Bed();
    const lease = await locker.acquire('a', { ttl: 900, autoRenew: true });
    await clock.advance(1_000);
    instead.extend = extend;
    const until = clock.now() + lease.ttl();
    await clock.advance(until - clock.now() - 1);
    expect(lease.held).toBe(true);
    await clock.advance(1);
    expectLost(lease, 'backend');
    if (extend === down)
      expect((lease.signal.reason as LockLostError).cause).toBeInstanceOf(LockBackendError);
  });

  test('maxHold: although it is renewed', async () => {
    const { locker, clock, calls } = new Bed();
    const lease = await locker.acquire('a', { ttl: 300, autoRenew: true, maxHold: 3_000 });
    await clock.advance(2_999);
    expect(lease.held).toBe(true);
    expect(lease.ttl()).toBe(1);
    await clock.advance(1);
    expectLost(lease, 'maxHold');
    expect(await locker.inspect('a')).toBeNull();
    expect(calls.filter(({ what }) => what === 'extend').length).toBeLessThan(50);
  });

  test.each([
    [{ ttl: 100, maxHold: 200 }, 'expired'],
    [{ ttl: 300, maxHold: 200 }, 'maxHold'],
    [{ ttl: 300, maxHold: 300 }, 'maxHold'],
  ] as const)('by what came first, if the process was stopped: %j', async (options, reason) => {
    const { locker, clock } = new Bed();
    const lease = await locker.acquire('a', options);
    clock.jump(10_000);
    expect(() => lease.ensureHeld()).toThrow(LockLostError);
    expectLost(lease, reason);
  });

  test('expired, not backend, when a fault has passed since', async () => {
    const { locker, clock, instead } = new Bed();
    const lease = await locker.acquire('a', { ttl: '1s' });
    instead.extend = down;
    await expect(lease.refresh()).rejects.toBeInstanceOf(LockBackendError);
    delete instead.extend;
    expect(await lease.refresh()).toBe(true);
    await clock.advance(1_000);
    expectLost(lease, 'expired');
  });

  test('backend, when the last that was asked of it failed', async () => {
    const { locker, clock, instead } = new Bed();
    const lease = await locker.acquire('a', { ttl: '1s' });
    instead.extend = down;
    await expect(lease.refresh()).rejects.toBeInstanceOf(LockBackendError);
    await clock.advance(1_000);
    expectLost(lease, 'backend');
  });

  test('closed: when the registry closes', async () => {
    const { locker, registry, clock } = new Bed();
    const lease = await locker.acquire('a');
    const closing = registry.close({ grace: '1s' });
    await clock.advance(999);
    expect(lease.held).toBe(true);
    await clock.advance(1);
    await closing;
    expectLost(lease, 'closed');
  });

  test('held is false in the first statement after a blocked event loop', async () => {
    const registry = new LockRegistry().registerDriver('memory', memoryDriver());
    const lease = await registry.mustOf().acquire('a', { ttl: 150, autoRenew: true });
    const { signal } = lease;
    blockEventLoop(250);
    expect(lease.held).toBe(false);
    expect(lease.ttl()).toBe(0);
    expect(() => lease.ensureHeld()).toThrow(LockLostError);
    expect(signal.aborted).toBe(true);
    await registry.close({ grace: 0 });
  });

  test('its signal aborts by itself after a blocked event loop', async () => {
    const registry = new LockRegistry();
    const lease = await registry.mustOf().acquire('a', { ttl: 150, autoRenew: true });
    const { signal } = lease;
    blockEventLoop(250);
    await sleep(50);
    expect(signal.aborted).toBe(true);
    await registry.close({ grace: 0 });
  });

  test('nothing is asked of the backend about it any more', async () => {
    const { locker, clock, calls } = new Bed();
    const lease = await locker.acquire('a', { ttl: 100 });
    await clock.advance(100);
    expect(lease.held).toBe(false);
    calls.length = 0;
    await lease.refresh();
    await lease.extend(50);
    await lease.release();
    await clock.advance(10_000);
    expect(calls).toEqual([]);
    expect(clock.pending).toBe(0);
  });
});

describe('a lease is not lost', () => {
  test('by refreshes that come faster than their answers', async () => {
    const clock = new FakeClock(1_000);
    const server = new ModelServer({ clock, micros: 1e15 });
    const store = server.connect({ link: { latency: () => 200 } });
    const driver = queuedDriver(store, { clock, random: () => 0.5 });
    const registry = new LockRegistry({ clock }).registerDriver('model', driver);
    registry.registerLocker('slow', { driver: 'model', ttl: 1_000 });
    const asked = registry.mustOf('slow').acquire('a', { wait: '5s' });
    await clock.advance(850);
    const lease = await asked;
    for (let i = 0; i < 30; i++) {
      void lease.refresh();
      await clock.advance(300);
      expect(lease.held).toBe(true);
      expect(lease.ttl()).toBeLessThanOrEqual((await server.lock('lock:{a}').read())!.holders[0]!.ttl);
    }
    const closed = registry.close({ grace: 0 });
    await clock.advance(10_000);
    await closed;
  });

  test('by one failed renewal and then a success', async () => {
    const { locker, clock, instead, memory } = new Bed();
    const lease = await locker.acquire('a', { ttl: 900, autoRenew: true });
    let faults = 2;
    instead.extend = (grant, ttl) => (faults-- > 0 ? down() : memory.extend(grant, ttl));
    await clock.advance(5_000);
    expect(faults).toBeLessThanOrEqual(0);
    expect([lease.held, lease.signal.aborted]).toEqual([true, false]);
  });

  test('by a failed refresh, which rejects; it is held until its former time is up', async () => {
    const { locker, clock, instead } = new Bed();
    const lease = await locker.acquire('a', { ttl: '5s' });
    instead.extend = down;
    await expect(lease.refresh('9s')).rejects.toBeInstanceOf(LockBackendError);
    expect([lease.held, lease.ttl()]).toEqual([true, 5_000]);
    delete instead.extend;
    expect(await lease.refresh('9s')).toBe(true);
    expect(lease.ttl()).toBe(9_000);
    await clock.advance(8_999);
    expect(lease.held).toBe(true);
  });

  test('by a collected signal: it can be asked for at any time', async () => {
    const { locker, clock } = new Bed();
    const lease = await locker.acquire('a', { ttl: 100 });
    await clock.advance(100);
    expect(lease.signal.aborted).toBe(true);
  });
});

describe('a shorter time', () => {
  test('that the backend may have set without answering ends the lease, and its signal tells', async () => {
    const { locker, clock, instead } = new Bed();
    const lease = await locker.acquire('a', { ttl: '30s' });
    const { signal } = lease;
    instead.extend = silent;
    watch(lease.refresh('1s'));
    expect(lease.ttl()).toBeLessThanOrEqual(1_000);
    expect(lease.ttl()).toBeGreaterThan(995);
    await clock.advance(1_000);
    expect(lease.held).toBe(false);
    expect(signal.aborted).toBe(true);
  });
});

describe('answers out of order', () => {
  test('an older renewal does not undo a newer refresh', async () => {
    const { locker, clock, instead, memory, calls } = new Bed();
    const lease = await locker.acquire('a', { ttl: 900, autoRenew: true });
    const late = deferred();
    instead.extend = async (grant, ttl) => {
      const answer = await memory.extend(grant, ttl);
      await late.promise;
      return answer;
    };
    await clock.advance(350);
    delete instead.extend;
    expect(await lease.refresh('20s')).toBe(true);
    late.resolve();
    await clock.advance(0);
    expect(lease.ttl()).toBe(20_000);
    expect(calls.filter(({ what }) => what === 'extend')).toHaveLength(2);
  });
});
