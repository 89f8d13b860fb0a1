import { expect, test } from '@jest/globals';
import { queuedDriver } from '../../src/engine/queued-driver.js';
import type { LockDriver } from '../../src/lease/driver.js';
import { FakeClock, ModelServer } from '../../src/testing/index.js';

const request = (token: string, wait = 600_000) => {
  const how = { mode: 'write', ttl: 10_000, retryInterval: 100, meta: {} } as const;
  return { key: 'lock:{a}', token, wait, ...how };
};

test('the server ends a hold early that was handed on: the place of whom it serves keeps nobody out', async () => {
  const clock = new FakeClock(1_000);
  const server = new ModelServer({ clock, micros: 1e15 });
  const connect = () => queuedDriver(server.connect(), { clock, random: Math.random });
  const [ours, theirs] = [connect(), connect()];
  const answered = async <T>(asked: Promise<T>): Promise<T> => {
    await clock.advance(10);
    return asked;
  };
  const first = await answered(ours.acquire(request('first')));
  const [second, third] = [ours.acquire(request('second')), ours.acquire(request('third'))];
  await clock.advance(10);
  // The second is granted with a run of one behind it.
  await answered(ours.release(first!));
  await ours.release((await second)!);
  const grant = await third;
  const rival = theirs.acquire(request('rival'));
  await clock.advance(10);

  server.stepClock(11_000);
  await clock.advance(5_000);
  expect(await answered(ours.release(grant!))).toBe(false);
  expect(await answered(Promise.race([rival, null]))).toMatchObject({ token: 'rival' });
  const closed = Promise.all([ours.close(), theirs.close()]);
  await clock.advance(5_000);
  await closed;
});

test('a claim that comes late, of one whom a hold has served since, locks nothing', async () => {
  const clock = new FakeClock(1_000);
  const server = new ModelServer({ clock, micros: 1e15 });
  const store = server.connect();
  const [ours, theirs] = [store, server.connect()].map((of) =>
    queuedDriver(of, { clock, random: Math.random }),
  ) as [LockDriver, LockDriver];
  const answered = async <T>(asked: Promise<T>): Promise<T> => {
    await clock.advance(100);
    return asked;
  };
  const held = await answered(theirs.acquire(request('held')));
  const first = ours.acquire(request('first'));
  await clock.advance(10);
  store.link.latency = () => 1;
  const second = ours.acquire(request('second'));
  // The claim of the second is on its way when its connection is lost.
  store.cut({ runLate: 8_000 });
  await clock.advance(100);
  void theirs.release(held!);
  // Within 20 ms, so that it is handed on.
  await clock.advance(10);
  const grants = [await first];
  void ours.release(grants[0]!);
  grants.push(await answered(second));
  expect(grants[1]!.fence).toBe(grants[0]!.fence + 1);
  expect(await answered(ours.release(grants[1]!))).toBe(true);

  await clock.advance(9_000);
  expect(await answered(theirs.acquire(request('next', 0)))).toMatchObject({ token: 'next' });
  await answered(Promise.all([ours.close(), theirs.close()]));
});

/** Two processes; the first one holds, and has handed its hold on within the time for that. */
async function handOn() {
  const clock = new FakeClock(1_000);
  const server = new ModelServer({ clock, micros: 1e15 });
  const store = server.connect();
  const [ours, theirs] = [store, server.connect()].map((of) =>
    queuedDriver(of, { clock, random: Math.random }),
  ) as [LockDriver, LockDriver];
  const answered = async <T>(asked: Promise<T>): Promise<T> => {
    await clock.advance(10);
    return asked;
  };
  const held = await answered(theirs.acquire(request('held')));
  const [first, second] = [ours.acquire(request('first')), ours.acquire(request('second'))];
  await clock.advance(10);
  await answered(theirs.release(held!));
  await ours.release((await first)!);
  const close = async () => {
    const closed = Promise.all([ours.close(), theirs.close()]);
    await clock.advance(5_000);
    await closed;
  };
  return { clock, store, ours, theirs, answered, former: (await first)!, grant: (await second)!, close };
}

test('a longer time that is asked for while the store is told whom the hold serves is kept', async () => {
  const { clock, store, ours, theirs, grant, close } = await handOn();
  // Of the 20 ms that a hold is handed on some are left.
  store.link.latency = () => 20;
  const extended = ours.extend(grant, 3_600_000);
  await clock.advance(100);
  expect((await extended)!.validUntil - clock.now()).toBeGreaterThan(3_500_000);
  const info = theirs.inspect(grant.key);
  await clock.advance(100);
  expect((await info)!.holders).toMatchObject([{ fence: grant.fence }]);
  expect((await info)!.holders[0]!.ttl).toBeGreaterThan(3_500_000);
  await close();
});

test('others learn whom a hold serves also where the connection is lost when the store is told', async () => {
  const { clock, store, ours, theirs, answered, former, grant, close } = await handOn();
  store.cut({ reconnect: 100 });
  await clock.advance(1_200);
  const info = await answered(theirs.inspect(grant.key));
  expect(info!.holders).toMatchObject([{ fence: grant.fence }]);
  expect(await answered(theirs.revoke!(grant.key, former.fence))).toBe(false);
  expect(await answered(ours.release(grant))).toBe(true);
  await close();
});
