import { afterEach, expect, test } from '@jest/globals';
import { LockLostError } from '../../../src/core/errors.js';
import { blockReplication, inSync, promote, startReplica } from '../../support/redis-replica.js';
import type { RedisServer } from '../../support/redis-server.js';
import { sleep, stopwatch, until } from '../../support/wait.js';
import { ask, endHold, freshKey, locks, open, reasonOf, take } from './support/rig.js';
import { server, stageForEach } from './support/stage.js';

let replica: RedisServer | undefined;

stageForEach();

afterEach(async () => {
  await replica?.stop();
  replica = undefined;
});

const losses: Record<string, (key: string) => Promise<unknown>> = {
  'a restart without persistence': () => server.restart(),
  FLUSHALL: () => server.ask((client) => client.flushall()),
  'the deletion of the lock’s record': (key) => server.ask((client) => client.del(key)),
};

test.each(Object.keys(losses))('fences go on growing over %s', async (loss) => {
  const driver = await open(server.url);
  const key = freshKey();
  let last = 0;
  for (let round = 0; round < 3; round++) {
    for (const mode of ['write', 'write', 'read'] as const) {
      const grant = await take(driver, key, { mode, wait: 10_000 });
      expect(grant.fence).toBeGreaterThan(last);
      expect(Number.isSafeInteger(grant.fence)).toBe(true);
      last = grant.fence;
      await driver.release(grant);
    }
    const lost = await take(driver, key, { wait: 10_000 });
    expect(lost.fence).toBeGreaterThan(last);
    last = lost.fence;
    await losses[loss]!(key);
    await until(() => driver.ping().then(() => true));
    expect(await driver.release(lost)).toBe(false);
  }
});

test('fences grow over the promotion of a replica that missed the latest writes', async () => {
  replica = await startReplica(server);
  const [driver, rival] = [await open(server.url), await open(server.url)];
  const key = freshKey();
  await driver.release(await take(driver, key));
  await inSync(replica, server);
  await blockReplication(replica);
  let last = 0;
  for (let round = 0; round < 5; round++) {
    const grant = await take(rival, key, { ttl: 60_000 });
    last = grant.fence;
    if (round < 4) await rival.release(grant);
  }
  await promote(replica);
  await server.kill();

  // The lock that the lost writes took is free again: exclusion is broken, and the fence tells.
  const successor = await open(replica.url);
  const grant = await take(successor, key);
  expect(grant.fence).toBeGreaterThan(last);
  await successor.release(grant);
});

test('split brain, a documented limit: the old side can give a larger fence than the new one', async () => {
  replica = await startReplica(server);
  const key = freshKey();
  const old = await open(server.url);
  const first = await take(old, key);
  await old.release(first);
  await inSync(replica, server);
  await blockReplication(replica);
  await promote(replica);

  // Both are primaries, and each has clients.
  const fresh = await open(replica.url);
  const right = await take(fresh, key);
  const wrong = await take(old, key);
  expect(right.fence).toBeGreaterThan(first.fence);
  expect(wrong.fence).toBeGreaterThan(right.fence);
  expect(await old.extend(wrong, 20_000)).not.toBeNull();
  expect(await fresh.extend(right, 20_000)).not.toBeNull();
});

test('fences go on by a few when the server’s clock has stepped back', async () => {
  const driver = await open(server.url);
  const key = freshKey();
  // An hour ahead of the clock: as if that had been right when the last fence was given.
  let last = (Date.now() + 3_600_000) * 1_000;
  await server.client().hset(key, 'v', '2', 'f', last);
  for (const mode of ['write', 'read', 'write', 'read', 'write'] as const) {
    const grant = await take(driver, key, { mode });
    expect(grant.fence).toBeGreaterThan(last);
    expect(grant.fence).toBeLessThanOrEqual(last + 64);
    expect(await ask(driver, key)).toBeNull();
    last = grant.fence;
    await driver.release(grant);
  }
  // The record is kept for a day after the end of the hold.
  expect(await server.client().pttl(key)).toBeGreaterThan(86_400_000);
  expect(await server.client().pttl(key)).toBeLessThanOrEqual(86_400_000 + 10_000);
});

test('a holder whose lease the server’s clock has ended learns it at its next renewal', async () => {
  const locker = locks(server.url).mustOf();
  const rival = await open(server.url);
  let abortedAfter = Number.POSITIVE_INFINITY;
  let next = 0;
  const outcome = locker.with(
    'a',
    async (lease) => {
      await sleep(50);
      const watch = stopwatch();
      lease.signal.addEventListener('abort', () => {
        abortedAfter = watch.stop();
      });
      await endHold(server.client(), 'lock:{a}');
      next = (await take(rival, 'lock:{a}', { wait: 10_000, ttl: 60_000 })).fence;
      expect(next).toBeGreaterThan(lease.fence);
      await until(() => lease.signal.aborted, 9_000, 'the loss to be told');
      expect(lease.held).toBe(false);
      expect(() => lease.ensureHeld()).toThrow(LockLostError);
    },
    { ttl: 4_500 },
  );
  expect(await reasonOf(outcome)).toMatchObject({ code: 'LOCK_LOST', reason: 'stolen' });
  // The renewal is due after a third of the ttl.
  expect(abortedAfter).toBeLessThan(2_500);
  expect((await rival.inspect('lock:{a}'))?.holders).toMatchObject([{ fence: next }]);
});
