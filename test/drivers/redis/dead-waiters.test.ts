import { expect, test } from '@jest/globals';
import { machineNow } from '../../support/backends.js';
import { runSource, type Worker } from '../../support/process.js';
import { sleep, until } from '../../support/wait.js';
import { expectFree, freshKey, inLine, open, queue, take, timed, waitersOf } from './support/rig.js';
import { killWorkers, proxy, redis, server, stageForAll, workers } from './support/stage.js';

stageForAll({ proxied: true });

/** A process with `count` drivers, each of which asks for the key; it says what it was granted, and keeps it. */
function askers(count: number, key: string, ttl: number): Worker {
  const worker = runSource(`
    import { randomUUID } from 'node:crypto';
    import { redisDriver } from 'latchkey';
    const base = { key: '${key}', ttl: ${ttl}, wait: 60000, retryInterval: 100, meta: {}, mode: 'write' };
    for (let i = 0; i < ${count}; i++) {
      const driver = await redisDriver({ url: '${server.url}' });
      // A slow machine may take longer to connect than a ping waits.
      while (!(await driver.ping().then(() => true, () => false)));
      driver.acquire({ ...base, token: randomUUID() }).then((grant) => {
        send({ fence: grant.fence, held: performance.now() < grant.validUntil });
      });
    }
  `);
  workers.push(worker);
  return worker;
}

/** Kills the workers; resolves when Redis has only `left` drivers connected, beside threads that renew. */
async function kill(left: number): Promise<void> {
  await killWorkers();
  const list = () => redis.client('LIST', 'TYPE', 'PUBSUB') as Promise<string>;
  const listeners = async () => (await list()).match(/ name=latchkey /g)?.length;
  await until(async () => (await listeners()) === left, 10_000, 'Redis to miss them');
}

test.each([
  [100, 50],
  // More than one run of the script skips.
  [150, 75],
])(
  '%i waiters that were killed are skipped at the release',
  async (dead, each) => {
    const key = freshKey();
    const [holder, live] = [await open(server.url), await open(server.url)];
    const held = await take(holder, key, { ttl: 60_000 });
    for (let count = 0; count < dead; count += each) askers(each, key, 60_000);
    await inLine(redis, key, dead, 60_000);
    const { granted } = await queue(redis, live, key, { ttl: 60_000 });
    await kill(2);
    expect(await waitersOf(redis, key)).toBe(dead + 1);

    const waited = timed(granted);
    await holder.release(held);
    const { ran, value } = await waited;
    expect(ran).toBeLessThan(3_000);
    expect(value!.fence).toBeGreaterThan(held.fence);
    await live.release(value!);
    // One that reconnects keeps its place for 3 s. After that, whoever asks next drops the places of the dead.
    expect(await waitersOf(redis, key)).toBe(dead);
    await sleep(3_100);
    await holder.release(await take(holder, key));
    await expectFree(redis, key);
  },
  120_000,
);

test('after a rest, waiters that were killed do not delay the next one', async () => {
  const key = freshKey();
  const [holder, live] = [await open(server.url), await open(server.url)];
  const held = await take(holder, key, { ttl: 60_000 });
  askers(10, key, 60_000);
  await inLine(redis, key, 10);
  await kill(2);
  const { granted } = await queue(redis, live, key, { ttl: 60_000 });
  const waited = timed(granted);
  await holder.release(held, 500);
  const { ms, ran } = await waited;
  expect(ms).toBeGreaterThan(490);
  // It looks by itself only seconds later.
  expect(ran).toBeLessThan(2_000);
});

test('a waiter killed in the moment of the release costs its ttl, or the time to the next one’s look', async () => {
  const key = freshKey();
  const [holder, live] = [await open(server.url), await open(server.url)];
  const held = await take(holder, key, { ttl: 60_000 });
  const doomed = askers(10, key, 300);
  await inLine(redis, key, 10);
  const { granted } = await queue(redis, live, key, { ttl: 1_000 });
  doomed.kill('SIGKILL');
  // Redis may not know yet that nobody is at the other end of those connections.
  const waited = timed(granted);
  await holder.release(held);
  expect((await waited).ran).toBeLessThan(1_000 + 1_700);
});

test('a killed holder keeps others waiting for its ttl and no longer, with killed waiters between', async () => {
  const key = freshKey();
  const [first, live] = [await open(server.url), await open(server.url)];
  const held = await take(first, key, { ttl: 60_000 });
  // Long enough to kill all before it is over.
  askers(1, key, 2_500);
  await inLine(redis, key, 1);
  askers(10, key, 1_000);
  await inLine(redis, key, 11);
  const { granted } = await queue(redis, live, key, { ttl: 1_000 });
  const waited = timed(granted);
  await first.release(held);
  const { fence } = await workers[0]!.waitFor((message) => 'fence' in message);
  await kill(2);
  const { ms, ran, value } = await waited;
  expect(ms).toBeGreaterThan(2_400);
  expect(ran).toBeLessThan(2_500 + 1_700);
  expect(value!.fence).toBeGreaterThan(fence as number);
});

test('a stopped waiter is handed the lock, costs its ttl, and wakes to find that it does not hold', async () => {
  const key = freshKey();
  const [holder, live] = [await open(server.url), await open(server.url)];
  const held = await take(holder, key, { ttl: 60_000 });
  const stopped = askers(1, key, 1_000);
  await inLine(redis, key, 1);
  stopped.kill('SIGSTOP');
  const { granted } = await queue(redis, live, key, { ttl: 3_000 });
  const waited = timed(granted);
  await holder.release(held);
  expect((await live.inspect(key))?.holders.length).toBe(1);
  const { ms, ran, value } = await waited;
  expect(ms).toBeGreaterThan(900);
  expect(ran).toBeLessThan(1_000 + 3_000 + 700);
  const lasting = (await live.extend(value!, 20_000))!;

  stopped.kill('SIGCONT');
  await inLine(redis, key, 1);
  await sleep(200);
  expect(stopped.messages).toEqual([]);
  expect((await live.inspect(key))?.holders).toMatchObject([{ fence: lasting.fence }]);
  expect(await live.release(lasting)).toBe(true);
  const { fence, held: surely } = await stopped.waitFor((message) => 'fence' in message);
  expect(surely).toBe(true);
  expect(fence).toBeGreaterThan(lasting.fence);
});

test('a waiter that has been stopped until its stamp is stale is skipped', async () => {
  const key = freshKey();
  const [holder, live] = [await open(server.url), await open(server.url)];
  const held = await take(holder, key, { ttl: 60_000 });
  // Its looks are 200 ms apart: its stamp is stale after 1.6 s.
  const stopped = askers(1, key, 200);
  await inLine(redis, key, 1);
  stopped.kill('SIGSTOP');
  const { granted } = await queue(redis, live, key, { ttl: 60_000 });
  await sleep(1_650);
  expect(await waitersOf(redis, key)).toBe(2);
  await server.resetStats();
  const waited = timed(granted);
  await holder.release(held);
  const { ran, value } = await waited;
  expect(ran).toBeLessThan(3_000);
  expect((await server.commandStats()).publish).toBe(1);

  stopped.kill('SIGCONT');
  await inLine(redis, key, 1);
  expect(stopped.messages).toEqual([]);
  await live.release(value!);
  const { fence } = await stopped.waitFor((message) => 'fence' in message);
  expect(fence).toBeGreaterThan(value!.fence);
});

test('a holder that was stopped beyond its ttl finds that it does not hold, and harms nobody', async () => {
  const live = await open(server.url);
  const stopped = runSource(`
    import { LockRegistry, redisDriver } from 'latchkey';
    const locks = new LockRegistry();
    locks.registerDriver('redis', () => redisDriver({ url: '${server.url}' }));
    locks.registerLocker('default', { driver: 'redis' });
    const job = (lease) => new Promise((done) => {
      send({ fence: lease.fence });
      const timer = setInterval(() => {
        const at = Number(process.hrtime.bigint()) / 1e6;
        const { held } = lease;
        send({ at, held });
        if (held) return;
        clearInterval(timer);
        done(lease.release());
      }, 20);
    });
    await locks.mustOf().with('stopped', job, { ttl: 2_000 }).catch(({ code }) => send({ code }));
    await locks.close({ grace: 0 });
    process.exit();
  `);
  workers.push(stopped);
  const { fence } = await stopped.waitFor((message) => 'fence' in message);
  await stopped.waitFor(({ held }) => held === true);
  stopped.kill('SIGSTOP');
  const grant = await take(live, 'lock:{stopped}', { wait: 20_000, ttl: 60_000 });
  expect(grant.fence).toBeGreaterThan(fence as number);
  const woken = machineNow();
  stopped.kill('SIGCONT');
  const { code } = await stopped.waitFor((message) => 'code' in message);
  expect(code).toBe('LOCK_LOST');
  const later = stopped.messages.filter(({ at }) => (at as number) > woken);
  expect(later.map(({ held }) => held)).toEqual([false]);
  expect((await live.inspect('lock:{stopped}'))?.holders).toMatchObject([{ fence: grant.fence }]);
  expect(await live.release(grant)).toBe(true);
});

test('a waiter that hears nothing looks by itself, within 5 s or its ttl', async () => {
  const [free, lost, short] = [freshKey(), freshKey(), freshKey()];
  const [holder, waiter, cut] = [await open(server.url), await open(server.url), await open(proxy.url)];
  const held = await take(holder, lost, { ttl: 60_000 });
  for (const key of [free, short]) await take(holder, key, { ttl: 60_000 });
  const late = await queue(redis, waiter, free, { ttl: 60_000 });
  const soon = await queue(redis, waiter, short, { ttl: 400 });
  const deaf = await queue(redis, cut, lost, { ttl: 60_000 });

  // The message to one is swallowed on its way; nobody tells the others that the lock is gone.
  proxy.dropReplies(1);
  await holder.release(held);
  await redis.del(free, short);
  const [one, two, three] = [timed(late.granted), timed(soon.granted), timed(deaf.granted)];
  expect((await two).ran).toBeLessThan(400 + 2_000);
  expect((await waiter.inspect(lost))?.holders.length).toBe(1);
  expect((await one).ran).toBeLessThan(5_000 + 2_000);
  // Its look has no answer either: the connection is given up after 1 s, and made anew.
  const { ms, ran, value } = await three;
  expect(ms).toBeGreaterThan(1_000);
  expect(ran).toBeLessThan(5_000 + 4_000);
  expect((await waiter.inspect(lost))?.holders).toMatchObject([{ fence: value!.fence }]);
});
