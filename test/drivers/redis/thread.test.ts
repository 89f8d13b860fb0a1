import { expect, test } from '@jest/globals';
import * as scripts from '../../../src/drivers/redis/scripts.generated.js';
import { sleep, until } from '../../support/wait.js';
import { TTL } from '../support/thread/child.js';
import { Children, finished } from '../support/thread/kit.js';
import { threadSuite } from '../support/thread/suite.js';
import { locks } from './support/rig.js';
import { redis, server, stageForAll } from './support/stage.js';

// Before the stage, which looks for leaks when they are gone.
const children = new Children('redis', () => server.url);
stageForAll();

threadSuite(
  {
    driver: 'redis',
    workerFile: 'redis/renewal-worker.js',
    trials: { processes: 5, keys: 10, rounds: 2 },
    url: () => server.url,
    rival: () => locks(server.url).mustOf(),
    steal: (key) => redis.del(`lock:{${key}}`),
  },
  children,
);

/** The names of the connections that other processes have to the server. */
async function connections(): Promise<string[]> {
  const list = (await redis.client('LIST')) as string;
  return [...list.matchAll(/ name=(latchkey\S*)/g)].map(([, name]) => name!).sort();
}

test('a thread that is cut off again and again: the main thread renews, without a warning', async () => {
  const holder = children.start(`
    const lease = await locker(undefined, ${2 * TTL}).acquire('cut');
    send({ up: true });
    await sleep(${5 * TTL});
    send({ held: lease.held, aborted: lease.signal.aborted, released: await lease.release(), warnings });
    await close();
  `);
  await holder.waitFor(({ up }) => up === true, 40_000);
  let cuts = 0;
  while (holder.messages.length < 2) {
    const list = (await redis.client('LIST')) as string;
    for (const [, id] of list.matchAll(/^id=(\d+) .* name=latchkey-renewal /gm))
      cuts += Number(await redis.client('KILL', 'ID', id!));
    await sleep(2);
  }
  await finished(holder);
  expect(cuts).toBeGreaterThan(5);
  expect(holder.messages[1]).toEqual({ held: true, aborted: false, released: true, warnings: [] });
}, 60_000);

test('options that hold a function cannot be sent to a thread: the warning names it, and the main thread renews', async () => {
  const holder = children.start(`
    const lease = await locker({ url: process.env.URL, noDelay: true, extra: { fn() {} } }).acquire('l');
    await sleep(${2 * TTL});
    send({ held: lease.held, warnings, threads: threads.length });
    await close();
  `);
  await finished(holder);
  expect(holder.messages).toEqual([{ held: true, warnings: ['LATCHKEY_THREAD'], threads: 0 }]);
  expect(holder.stderr()).toContain('`extra`');
});

test('a client that is lent is known to the thread by its options, and its connection has a name', async () => {
  const holder = children.start(`
    import { Redis } from 'ioredis';
    const client = new Redis(process.env.URL);
    const lease = await locker(client).acquire('m');
    send({ up: true });
    block(${3 * TTL});
    send({ held: lease.held, warnings });
    for await (const _ of received) break;
    await close();
    client.disconnect();
    process.stdin.destroy();
  `);
  await holder.waitFor(({ up }) => up === true);
  expect(await connections()).toContain('latchkey-renewal');
  expect(await holder.waitFor((message) => 'held' in message)).toEqual({ held: true, warnings: [] });
  holder.send({});
  await finished(holder);
});

test('ten thousand leases leave nothing behind: one thread, which forgets each and ends; so does the process', async () => {
  const holder = children.start(`
    import { setFlagsFromString } from 'node:v8';
    import { runInNewContext } from 'node:vm';
    setFlagsFromString('--expose-gc');
    const gc = runInNewContext('gc');
    const by = locker(undefined, 10_000);
    const known = new Set();
    let held = 0, renewed = 0;
    const note = () => {
      for (const { renew, forget = [] } of told.splice(0)) {
        if (renew && known.add(renew.id)) renewed++;
        for (const id of forget) known.delete(id);
      }
    };
    const begin = async (count) => {
      for (let i = 0; i < count / 100; i++) {
        const leases = await Promise.all(Array.from({ length: 100 }, (_, n) => by.acquire('n' + n)));
        held += leases.filter((lease) => lease.held).length;
        await Promise.all(leases.map((lease) => lease.release()));
        note();
      }
      await sleep(600);
      note();
      gc();
      const { heapUsed, rss } = process.memoryUsage();
      return { heap: heapUsed / 2 ** 20, rss: rss / 2 ** 20 };
    };
    const warm = await begin(2_000);
    const end = await begin(8_000);
    send({ held, renewed, left: known.size, warnings });
    send({ heap: end.heap - warm.heap, rss: end.rss - warm.rss });
    send({ threads: threads.length });
    await new Promise((resolve) => threads[0].once('exit', resolve));
    send({ ended: true });
    const again = await by.acquire('again', { ttl: ${TTL} });
    block(${2 * TTL});
    send({ held: again.held, threads: threads.length });
    await close();
  `);
  await holder.waitFor(({ threads }) => threads === 1, 60_000);
  expect(await connections()).toEqual(['latchkey', 'latchkey-renewal']);
  expect(holder.messages[0]).toEqual({ held: 10_000, renewed: 10_000, left: 0, warnings: [] });
  // A hold takes over 1 KiB: 8,000 that stay are more than 8 MiB.
  expect(holder.messages[1]!.heap).toBeLessThan(3);
  await holder.waitFor(({ ended }) => ended === true);
  expect(await connections()).toEqual(['latchkey']);
  await finished(holder);
  expect(holder.messages.at(-1)).toEqual({ held: true, threads: 2 });
}, 90_000);

test('no renewal of a released lease is sent, by what the server sees', async () => {
  const [leases, rounds] = [100, 4];
  const monitor = await redis.monitor();
  /** The numbers of the renewals that arrived, by token. */
  const arrived = new Map<string, number[]>();
  let all = false;
  monitor.on('monitor', (_time: string, [command, script, count, ...args]: string[]) => {
    all ||= command === 'echo' && script === 'all';
    if (!/^eval/i.test(command!) || ![scripts.RENEW.sha, scripts.RENEW.lua].includes(script!)) return;
    for (let i = Number(count); i < args.length; i += 5)
      arrived.set(args[i]!, [...(arrived.get(args[i]!) ?? []), Number(args[i + 3])]);
  });
  try {
    const holder = children.start(`
      const by = locker(undefined, 1200);
      const released = [];
      for (let round = 0; round < ${rounds}; round++) {
        const leases = await Promise.all(Array.from({ length: ${leases} }, (_, n) => by.acquire('t' + n)));
        const words = new Map(told.splice(0).flatMap(({ renew }) => renew ? [[renew.token, renew.memory]] : []));
        await Promise.all(leases.map(async (lease) => {
          await sleep(500 + Math.random() * 800);
          // The number of the latest renewal, which the thread sets before it sends one.
          const number = Number(new BigUint64Array(words.get(lease.token))[0] & (2n ** 27n - 1n));
          if (await lease.release()) released.push({ token: lease.token, number });
        }));
      }
      await sleep(1_000);
      await close();
      send({ released });
    `);
    await finished(holder);
    await redis.echo('all');
    await until(() => all, 10_000, 'the commands until now');
    const released = holder.messages[0]!.released as { token: string; number: number }[];
    expect(released.length).toBeGreaterThan(0.5 * leases * rounds);
    const renewed = released.filter(({ token }) => arrived.has(token));
    expect(renewed.length).toBeGreaterThan(0.25 * leases * rounds);
    const late = renewed.filter(({ token, number }) => arrived.get(token)!.some((sent) => sent > number));
    // The thread may send one between our look and the release, where the process has to wait for a processor then.
    expect(late.length).toBeLessThanOrEqual(8);
  } finally {
    monitor.disconnect();
  }
}, 90_000);

test('memory needs no thread, and does not warn', async () => {
  const holder = children.start(`
    const memory = new LockRegistry().mustOf();
    const lease = await memory.acquire('r', { autoRenew: true, renewIn: 'thread', ttl: 2000 });
    await sleep(2500);
    send({ held: lease.held, threads: threads.length, warnings });
  `);
  await finished(holder);
  expect(holder.messages).toEqual([{ held: true, threads: 0, warnings: [] }]);
});

test('a lease of many years is renewed once, when the thread begins', async () => {
  const holder = children.start(`
    const lease = await locker(undefined, 1e12).acquire('years');
    send({ up: true });
    await sleep(500);
    send({ held: lease.held, released: await lease.release(), warnings });
    await close();
  `);
  await holder.waitFor(({ up }) => up === true, 40_000);
  await server.resetStats();
  await finished(holder);
  expect(holder.messages[1]).toEqual({ held: true, released: true, warnings: [] });
  expect((await server.commandStats()).evalsha ?? 0).toBeLessThan(10);
}, 60_000);
