import { afterAll, describe, expect, test } from '@jest/globals';
import { queuedDriver } from '../../src/engine/queued-driver.js';
import type { LockStore } from '../../src/engine/store.js';
import type { Lease } from '../../src/lease/lease.js';
import { LockRegistry } from '../../src/registry.js';
import { FakeClock, ModelServer } from '../../src/testing/index.js';

function lockerOn(store: LockStore, clock: FakeClock) {
  const driver = queuedDriver(store, { clock, random: Math.random });
  const registry = new LockRegistry({ clock }).registerDriver('model', driver);
  return { registry, locker: registry.registerLocker('l', { driver: 'model' }).mustOf('l') };
}

test('a holder who is told late of its revocation holds it no longer than the store does', async () => {
  const clock = new FakeClock(1_000);
  const server = new ModelServer({ clock, micros: 1e15 });
  const store = server.connect({ link: { message: () => [2_000] }, ordered: false });
  const { registry, locker } = lockerOn(store, clock);
  const acquired = locker.acquire('a', { ttl: '1m' });
  await clock.advance(10);
  const lease = await acquired;
  const revoked = locker.revoke('a', lease.fence, { grace: '3s' });
  await clock.advance(0);
  expect(await revoked).toBe(true);
  await clock.advance(1_990);
  expect([lease.held, lease.signal.aborted]).toEqual([true, false]);
  await clock.advance(20);
  expect([lease.held, lease.signal.aborted]).toEqual([true, true]);
  expect(lease.ttl()).toBeGreaterThan(980);
  expect(lease.ttl()).toBeLessThan(990);
  await clock.advance(990);
  expect(lease.held).toBe(false);
  const closed = registry.close();
  await clock.advance(10_000);
  await closed;
});

test('a holder whose renewal is answered before the message is told that it was revoked', async () => {
  const clock = new FakeClock(1_000);
  const server = new ModelServer({ clock, micros: 1e15 });
  const store = server.connect({ link: { message: () => [2_000] }, ordered: false });
  const { registry, locker } = lockerOn(store, clock);
  const acquired = locker.acquire('a', { ttl: '1m' });
  await clock.advance(10);
  const lease = await acquired;
  const revoked = locker.revoke('a', lease.fence);
  await clock.advance(0);
  const refreshed = lease.refresh();
  await clock.advance(10);
  expect([await revoked, await refreshed]).toEqual([true, false]);
  expect(lease.signal.reason).toMatchObject({ reason: 'revoked' });
  const closed = registry.close();
  await clock.advance(10_000);
  await closed;
});

test.each([0, 5_000])(
  'the next holder gets the key after a grace of %d ms, though it was to rest for an hour after a release',
  async (grace) => {
    const clock = new FakeClock(1_000);
    const server = new ModelServer({ clock, micros: 1e15 });
    const ours = lockerOn(server.connect(), clock);
    const theirs = lockerOn(server.connect(), clock);
    const acquired = ours.locker.acquire('a', { atLeast: '1h', autoRenew: true });
    await clock.advance(10);
    const { fence } = await acquired;
    const next = theirs.locker.acquire('a', { wait: 'forever' });
    await clock.advance(10);
    const revoked = theirs.locker.revoke('a', fence, { grace });
    await clock.advance(grace + 1_000);
    expect(await revoked).toBe(true);
    expect(server.lock('lock:{a}').read()).toMatchObject({ waiters: 0, holders: [{}] });
    expect((await next).held).toBe(true);
    const closed = Promise.all([ours.registry.close(), theirs.registry.close()]);
    await clock.advance(10_000);
    await closed;
  },
);

describe('a hold whose revocation is read before its grant', () => {
  test.each([
    ['at once', 0],
    ['with a grace', 3_000],
  ])('is told so, and another one holds the key in time: %s', async (_, grace) => {
    const clock = new FakeClock(1_000);
    const server = new ModelServer({ clock, micros: 1e15 });
    const store = server.connect();
    const { claim } = store;
    // As after a block of the event loop, where all that has come is read at once.
    store.claim = async (...args) => {
      const answer = await claim.apply(store, args);
      await new Promise<void>((resolve) => clock.after(1_000, resolve));
      return answer;
    };
    const ours = lockerOn(store, clock);
    const theirs = lockerOn(server.connect(), clock);
    const acquired = ours.locker.acquire('a', { ttl: '1m' });
    await clock.advance(1);
    const [holder] = (await answer(theirs.locker.inspect('a')))!.holders;
    expect(await answer(theirs.locker.revoke('a', holder!.fence, { grace }))).toBe(true);
    const next = theirs.locker.acquire('a', { ttl: '1m', wait: '5s' });
    await clock.advance(1_000);
    const lease = await acquired;
    await clock.advance(10);
    expect(lease.signal.reason).toMatchObject({ reason: 'revoked' });
    expect(lease.held).toBe(grace > 0);
    await clock.advance(grace);
    expect([lease.held, (await next).held]).toEqual([false, true]);
    await answer(Promise.all([ours.registry.close(), theirs.registry.close()]), 20_000);

    async function answer<T>(asked: Promise<T>, ms = 1): Promise<T> {
      await clock.advance(ms);
      return asked;
    }
  });
});

test.each([
  ['at once', 0, 0],
  ['with a grace', '3s', 1],
] as const)(
  'the store is asked how long a hold lasts that is revoked %s: %s, %i times',
  async (_, grace, times) => {
    const clock = new FakeClock(1_000);
    const store = new ModelServer({ clock, micros: 1e15 }).connect();
    const { renew } = store;
    let renewals = 0;
    store.renew = (...args) => {
      renewals++;
      return renew.apply(store, args);
    };
    const { registry, locker } = lockerOn(store, clock);
    const acquired = locker.acquire('a', { ttl: '1m' });
    await clock.advance(10);
    const lease = await acquired;
    const revoked = locker.revoke('a', lease.fence, { grace });
    await clock.advance(10);
    expect([await revoked, renewals]).toEqual([true, times]);
    const closed = registry.close();
    await clock.advance(10_000);
    await closed;
  },
);

describe('a hold that is handed on inside the process', () => {
  const clock = new FakeClock(1_000);
  const server = new ModelServer({ clock, micros: 1e15 });
  const connect = () => lockerOn(server.connect(), clock);
  const [ours, theirs] = [connect(), connect()];
  const answered = async <T>(asked: Promise<T>, ms = 10): Promise<T> => {
    await clock.advance(ms);
    return asked;
  };
  afterAll(() => answered(Promise.all([ours.registry.close(), theirs.registry.close()]), 20_000));

  /** Three leases under one hold: two that are over, and one that lasts. */
  async function handedOn(key: string): Promise<Lease[]> {
    const ask = (who: string) => ours.locker.acquire(key, { ttl: '30s', meta: { who } });
    const before = await answered(theirs.locker.acquire(key));
    const asked = ['first', 'second', 'third'].map(ask);
    await clock.advance(10);
    await answered(before.release());
    const [first, second, third] = asked as [Promise<Lease>, Promise<Lease>, Promise<Lease>];
    await (await first).release();
    await (await second).release();
    const leases = [await first, await second, await third];
    expect(leases.map(({ fence }) => fence - leases[0]!.fence)).toEqual([0, 1, 2]);
    return leases;
  }

  test('is known elsewhere by the fence and the metadata of whom it serves, and its time stays as it was', async () => {
    const [, , last] = await handedOn('a');
    const left = last!.ttl();
    await clock.advance(30);
    const info = await answered(theirs.locker.inspect('a'));
    expect(info!.holders).toMatchObject([{ fence: last!.fence, meta: { who: 'third' } }]);
    expect(last!.ttl()).toBeGreaterThan(left - 100);
    expect(info!.holders[0]!.ttl).toBeGreaterThanOrEqual(last!.ttl());
    expect(info!.holders[0]!.ttl).toBeLessThan(last!.ttl() + 100);
    expect(await answered(last!.release())).toBe(true);
  });

  test.each(['elsewhere', 'here'])(
    'is revoked by that fence, and not by one of those before: from %s',
    async (from) => {
      const { locker } = from === 'here' ? ours : theirs;
      const [first, second, last] = await handedOn('b');
      if (from !== 'here') await clock.advance(30);
      for (const fence of [first!.fence, second!.fence, last!.fence + 1])
        expect(await answered(locker.revoke('b', fence))).toBe(false);
      expect(last!.held).toBe(true);
      expect(await answered(locker.revoke('b', last!.fence))).toBe(true);
      expect(last!.signal.reason).toMatchObject({ reason: 'revoked' });
      expect(await answered(theirs.locker.inspect('b'))).toBeNull();
    },
  );

  test('ends for whom it serves when another process, which does not know that yet, revokes the first', async () => {
    const [first, , last] = await handedOn('d');
    expect(await answered(theirs.locker.revoke('d', first!.fence), 5)).toBe(true);
    expect(last!.signal.reason).toMatchObject({ reason: 'revoked' });
    expect(await answered(theirs.locker.inspect('d'))).toBeNull();
  });

  test('is not handed on where it is being revoked', async () => {
    const before = await answered(theirs.locker.acquire('e'));
    const asked = [1, 2].map(() => ours.locker.acquire('e', { ttl: '30s' }));
    await clock.advance(10);
    void before.release();
    await clock.advance(3);
    const first = await asked[0]!;
    expect(await answered(theirs.locker.revoke('e', first.fence, { grace: '29s' }), 5)).toBe(true);
    expect([first.held, first.signal.aborted]).toEqual([true, true]);
    expect(await answered(first.release())).toBe(true);
    const second = await asked[1]!;
    await clock.advance(20_000);
    expect(await answered(second.refresh())).toBe(true);
    expect(second.ttl()).toBeGreaterThan(29_000);
    expect(await answered(second.release())).toBe(true);
  });

  test('and that the store has lost keeps nobody from revoking the next one', async () => {
    const [, , last] = await handedOn('f');
    await clock.advance(30);
    server.loseData();
    const next = await answered(theirs.locker.acquire('f', { ttl: '1m' }));
    expect(last!.held).toBe(true);
    expect(await answered(ours.locker.revoke('f', next.fence))).toBe(true);
    expect(next.held).toBe(false);
    await answered(last!.release());
  });

  test('that is told while it is renewed keeps the longer time', async () => {
    const [, , last] = await handedOn('c');
    const refreshed = last!.refresh('2m');
    await clock.advance(40);
    expect(await refreshed).toBe(true);
    expect(last!.ttl()).toBeGreaterThan(119_000);
    const info = await answered(theirs.locker.inspect('c'));
    expect(info!.holders).toMatchObject([{ fence: last!.fence }]);
    expect(info!.holders[0]!.ttl).toBeGreaterThan(last!.ttl() - 20);
    expect(await answered(last!.release())).toBe(true);
  });
});
