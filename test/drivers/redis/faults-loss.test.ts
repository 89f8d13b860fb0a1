import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { LockLostError } from '../../../src/core/errors.js';
import { runSource } from '../../support/process.js';
import { blockEventLoop, blockEventLoopUntil, sleep, stopwatch, until } from '../../support/wait.js';
import { RENEW_IN } from './support/driver.js';
import {
  expectFree,
  freshKey,
  holdLeft,
  inLine,
  locks,
  open,
  queue,
  reasonOf,
  take,
  timed,
  traces,
} from './support/rig.js';
import { proxy, server, stageForEach } from './support/stage.js';

stageForEach({ proxied: true });

/** Runs a `with` of 3 s under which `steal` happens; what it rejects with, and when its signal aborted. */
async function robbed(steal: (key: string) => Promise<unknown>, jobFails = false) {
  const locker = locks(server.url).mustOf();
  let abortedAfter = Number.POSITIVE_INFINITY;
  const watch = stopwatch();
  const outcome = locker.with(
    'a',
    async (lease) => {
      lease.signal.addEventListener('abort', () => {
        abortedAfter = watch.stop();
      });
      await sleep(50);
      await steal('lock:{a}');
      await until(() => lease.signal.aborted, 10_000, 'the loss to be told');
      expect(lease.held).toBe(false);
      expect(lease.signal.reason).toBeInstanceOf(LockLostError);
      if (jobFails) throw new Error('of the job itself');
    },
    { ttl: 3_000 },
  );
  return { error: await reasonOf(outcome), abortedAfter };
}

test('a key that is deleted under a with is told by the end of its time, and the with rejects', async () => {
  const { error, abortedAfter } = await robbed((key) => server.client().del(key));
  expect(error).toMatchObject({ code: 'LOCK_LOST', reason: 'stolen' });
  expect(abortedAfter).toBeLessThan(3_600);
});

test('FLUSHALL under a with is told by the end of its time', async () => {
  const { error, abortedAfter } = await robbed(() => server.client().flushall());
  expect(error).toMatchObject({ code: 'LOCK_LOST', reason: 'stolen' });
  expect(abortedAfter).toBeLessThan(3_600);
});

test('a key taken by another under a with is told, and the other keeps it', async () => {
  const rival = await open(server.url);
  const { error, abortedAfter } = await robbed(async (key) => {
    await server.client().del(key);
    await take(rival, key, { ttl: 60_000 });
  });
  expect(error).toMatchObject({ code: 'LOCK_LOST', reason: 'stolen' });
  expect(abortedAfter).toBeLessThan(3_600);
  expect((await rival.inspect('lock:{a}'))?.holders.length).toBe(1);
});

test('the job’s own error is what is seen, though the lock was stolen too', async () => {
  const { error } = await robbed((key) => server.client().del(key), true);
  expect(error.message).toBe('of the job itself');
});

test('an extension after the expiry says lost, never taken by another', async () => {
  const [holder, rival] = [locks(server.url).mustOf(), locks(server.url).mustOf()];
  const lease = await holder.acquire('a', { ttl: 200 });
  const next = await rival.acquire('a', { wait: '20s' });
  expect(await lease.extend('5s')).toBe(false);
  expect(await lease.refresh()).toBe(false);
  expect(lease.signal.reason).toMatchObject({ code: 'LOCK_LOST', reason: 'expired' });
  expect(await lease.release()).toBe(false);
  expect(next.held).toBe(true);
});

test('one renewal whose connection is killed is made again, and nothing is lost', async () => {
  const locker = locks(proxy.url).mustOf();
  await locker.with(
    'a',
    async (lease) => {
      // A thread that renews has connected by then.
      await sleep(1_000);
      proxy.delay(300);
      // A third of its time is over, and a renewal is on its way.
      await until(() => lease.ttl() < 2_980);
      proxy.reset();
      proxy.delay(0);
      await until(() => lease.ttl() > 3_500 || !lease.held, 10_000, 'the renewal');
      lease.ensureHeld();
    },
    { ttl: 4_500 },
  );
  await expectFree(server.client(), 'lock:{a}');
});

test('one renewal whose answer is lost is made again, and nothing is lost', async () => {
  const locker = locks(proxy.url).mustOf();
  await locker.with(
    'a',
    async (lease) => {
      // The connection is taken for dead after 1 s without the answer.
      proxy.dropReplies(1);
      await sleep(2_500);
      await until(() => lease.ttl() > 4_500 || !lease.held, 10_000, 'the renewal');
      lease.ensureHeld();
    },
    { ttl: 6_000 },
  );
  await expectFree(server.client(), 'lock:{a}');
});

test('two faults, then success: the extension succeeds', async () => {
  const driver = await open(proxy.url);
  const locker = locks(proxy.url).mustOf();
  const lease = await locker.acquire('a', { ttl: 6_000, autoRenew: true });
  const { deadline } = { deadline: performance.now() + lease.ttl() };
  for (let faults = 0; faults < 2; faults++) {
    proxy.reset();
    await sleep(100);
  }
  await until(() => performance.now() + lease.ttl() > deadline + 1_000, 10_000, 'the renewal');
  expect(await lease.refresh('20s')).toBe(true);
  expect(await lease.release()).toBe(true);
  await driver.ping();
});

test('an explicit extension over a broken connection succeeds when it is back soon', async () => {
  const driver = await open(proxy.url);
  const key = freshKey();
  const grant = await take(driver, key);
  proxy.reset();
  await sleep(5);
  expect(await driver.extend(grant, 20_000)).not.toBeNull();
  expect(await driver.release(grant)).toBe(true);
});

test('a shortening whose answer is lost is believed: nobody here is given more than Redis may have left', async () => {
  const driver = await open(proxy.url);
  const key = freshKey();
  const first = await take(driver, key, { wait: 1_000, ttl: 60_000 });
  const second = take(driver, key, { wait: 10_000, ttl: 60_000 });
  await driver.extend(first, 60_000);
  proxy.dropReplies(1);
  const shortened = driver.extend(first, 3_000).catch(() => null);
  await until(async () => (await holdLeft(server.client(), key)) <= 3_000, 5_000, 'the shortening');
  proxy.passThrough();
  await shortened;
  await driver.release(first);
  const { validUntil } = await second;
  const left = await holdLeft(server.client(), key);
  expect(validUntil - performance.now()).toBeLessThanOrEqual(left + 5);
});

test('a holder whose event loop was blocked past its ttl knows in the next statement whether it holds', async () => {
  const locker = locks(server.url).mustOf();
  const rival = runSource(`
    import { LockRegistry, redisDriver } from 'latchkey';
    const locks = new LockRegistry();
    locks.registerDriver('redis', () => redisDriver({ url: '${server.url}' }));
    locks.registerLocker('default', { driver: 'redis' });
    send({ up: true });
    for await (const _ of received) {
      const lease = await locks.mustOf().acquire('a', { wait: '20s', ttl: '20s' });
      send({ fence: lease.fence });
      break;
    }
    await locks.close({ grace: 0 });
    process.exit();
  `);
  await rival.waitFor(({ up }) => up === true);
  const granted = () => rival.waitFor((message) => 'fence' in message);
  const kept = RENEW_IN === 'thread';
  let fence = 0;
  const holding = locker.with(
    'a',
    async (lease) => {
      fence = lease.fence;
      rival.send({});
      await inLine(server.client(), 'lock:{a}', 1);
      blockEventLoop(2_600);
      expect(lease.held).toBe(kept);
      if (kept) {
        await sleep(200);
        expect(rival.messages).toEqual([{ up: true }]);
      } else {
        expect(() => lease.ensureHeld()).toThrow(LockLostError);
        await granted();
      }
    },
    { ttl: 2_000 },
  );
  if (kept) await holding;
  else expect((await reasonOf(holding)).code).toBe('LOCK_LOST');
  expect((await granted()).fence).toBeGreaterThan(fence);
  await rival.exited;
});

test('a waiter whose process was blocked past its ttl when it was granted does not take itself for the holder', async () => {
  const [holder, waiter] = [locks(server.url).mustOf(), locks(server.url).mustOf()];
  const told = join(server.dir, 'told');
  const rival = runSource(`
    import { writeFileSync } from 'node:fs';
    import { redisDriver } from 'latchkey';
    const driver = await redisDriver({ url: '${server.url}' });
    await driver.ping();
    send({ up: true });
    for await (const { token } of received) {
      // The holder's release, and then the next waiter in line.
      await driver.release({ key: 'lock:{a}', token, mode: 'write', fence: 1, validUntil: performance.now() + 9e4 });
      const base = { key: 'lock:{a}', token: 'rival', mode: 'write', ttl: 60000, retryInterval: 100, meta: {} };
      const grant = await driver.acquire({ ...base, wait: 20000 });
      writeFileSync('${told}', '');
      send({ fence: grant.fence });
      for await (const _ of received) break;
      await driver.release(grant);
      break;
    }
    await driver.close();
    process.exit();
  `);
  await rival.waitFor(({ up }) => up === true);
  const held = await holder.acquire('a', { ttl: '60s' });
  const waiting = waiter.acquire('a', { ttl: 300, wait: '25s' });
  await inLine(server.client(), 'lock:{a}', 1);
  rival.send({ token: held.token });
  // Until its process can take the message, the waiter's hold has come and gone, and another has the lock.
  blockEventLoopUntil(() => existsSync(told), 500);
  const { fence } = await rival.waitFor((message) => 'fence' in message);
  let served = false;
  waiting.then(() => {
    served = true;
  });
  await sleep(300);
  expect(served).toBe(false);
  rival.send({});
  const lease = await waiting;
  expect(lease.held).toBe(true);
  expect(lease.fence).toBeGreaterThan(fence as number);
  await lease.release();
  await rival.exited;
});

test('a with that ends while an extension is on its way tells of no loss', async () => {
  const locker = locks(proxy.url).mustOf();
  proxy.delay(30);
  for (let round = 0; round < 10; round++) {
    let signal: AbortSignal | undefined;
    const result = await locker.with(
      'a',
      async (lease) => {
        signal = lease.signal;
        void lease.refresh().catch(() => {});
        await sleep(round * 8);
        return round;
      },
      { ttl: 10_000 },
    );
    expect(result).toBe(round);
    expect(signal!.aborted).toBe(false);
  }
  proxy.delay(0);
  await expectFree(server.client(), 'lock:{a}');
});

test('of two keys one vanishes: the release still frees the other', async () => {
  const locker = locks(server.url).mustOf();
  const lease = await locker.acquire(['a', 'b']);
  await server.client().del('lock:{a}');
  expect(await lease.release()).toBe(false);
  await expectFree(server.client(), 'lock:{b}');
});

test('sets of keys that overlap exclude each other, all or none', async () => {
  const [one, two] = [locks(server.url).mustOf(), locks(server.url).mustOf()];
  const [first, second] = [await one.acquire(['1', '2']), await two.acquire(['3', '4'])];
  expect(first.keys).toEqual(['1', '2']);
  for (const name of ['1', '2', '3', '4']) expect(await traces(server.client(), `lock:{${name}}`)).toBe(1);
  expect(await one.tryAcquire(['2', '3'])).toBeNull();
  expect(await first.release()).toBe(true);
  const again = await two.tryAcquire('1');
  expect(again).not.toBeNull();
  expect(await one.tryAcquire(['2', '3'])).toBeNull();
  expect(await second.release()).toBe(true);
  const both = await one.tryAcquire(['2', '3']);
  expect(both!.fence).toBeGreaterThan(second.fence);
  expect(await both!.refresh('40s')).toBe(true);
  for (const name of ['2', '3'])
    expect(await holdLeft(server.client(), `lock:{${name}}`)).toBeGreaterThan(30_000);
  expect(await both!.release()).toBe(true);
  await again!.release();
});

test('a lease of several keys that waits for one of them gets them all', async () => {
  const [one, two] = [locks(server.url).mustOf(), locks(server.url).mustOf()];
  const first = await one.acquire('b');
  const waiting = two.acquire(['a', 'b', 'c'], { wait: '15s' });
  await inLine(server.client(), 'lock:{b}', 1);
  await first.release();
  const lease = await waiting;
  for (const name of ['a', 'b', 'c']) expect(await traces(server.client(), `lock:{${name}}`)).toBe(1);
  expect(await lease.release()).toBe(true);
  for (const name of ['a', 'b', 'c']) await expectFree(server.client(), `lock:{${name}}`);
});

test('a waiter in line does not notice a shortened hold later than its end', async () => {
  const [holder, waiter] = [await open(server.url), await open(server.url)];
  const key = freshKey();
  const held = await take(holder, key, { ttl: 60_000 });
  const { granted } = await queue(server.client(), waiter, key);
  await holder.extend(held, 200);
  const { ran } = await timed(granted);
  expect(ran).toBeLessThan(3_500);
});
