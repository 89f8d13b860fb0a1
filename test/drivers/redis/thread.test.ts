import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { type BuildOptions, build } from 'esbuild';
import * as scripts from '../../../src/drivers/redis/scripts.generated.js';
import { runSource, type Worker } from '../../support/process.js';
import { sleep, until } from '../../support/wait.js';
import { locks } from './support/rig.js';
import { redis, server, stageForAll, workers } from './support/stage.js';
import { TTL, threadChild } from './support/thread-child.js';

stageForAll();

const root = join(import.meta.dirname, '../../..');
const child = (source: string, env: Readonly<Record<string, string>> = {}) =>
  threadChild(source, { URL: server.url, ...env });

/** The names of the connections that other processes have to the server. */
async function connections(): Promise<string[]> {
  const list = (await redis.client('LIST')) as string;
  return [...list.matchAll(/ name=(latchkey\S*)/g)].map(([, name]) => name!).sort();
}

async function finished(worker: Worker): Promise<void> {
  expect(await worker.exited).toEqual({ code: 0, signal: null });
}

/** So many processes, keys in each and rounds make a hundred. */
const [PROCESSES, KEYS, ROUNDS] = [5, 10, 2];
/** Long, for so many processes at once have little of a small machine each. */
const LONG = 2 * TTL;

test('a loop that is blocked for 4 times the ttl, at any moment of a renewal: no rival gets in, it is held in the next statement', async () => {
  const names = (n: number) => Array.from({ length: KEYS }, (_, key) => `a${n}.${key}`);
  const holders = Array.from({ length: PROCESSES }, (_, n) =>
    child(`
      const by = locker(undefined, ${LONG});
      const leases = await Promise.all(${JSON.stringify(names(n))}.map(async (key) => {
        await sleep(Math.random() * ${LONG});
        return by.acquire(key);
      }));
      send({ fences: leases.map(({ fence }) => fence) });
      for (let round = 0; round < ${ROUNDS}; round++) {
        await sleep(Math.random() * ${LONG});
        standStill(${4 * LONG});
        const seen = leases.map((lease) => ({ held: lease.held, left: lease.ttl(), why: reasonOf(lease) }));
        send({ seen });
      }
      for await (const _ of received) break;
      const aborted = leases.some(({ signal }) => signal.aborted);
      const released = await Promise.all(leases.map((lease) => lease.release()));
      send({ aborted, released, fences: leases.map(({ fence }) => fence), warnings });
      await close();
      process.stdin.destroy();
    `),
  );
  const rival = locks(server.url).mustOf();
  let early = 0;
  let waiting = true;
  const trials = await Promise.all(
    holders.map(async (holder, n) => {
      const { fences } = await holder.waitFor((message) => 'fences' in message);
      const nexts = names(n).map((key) => rival.acquire(key, { wait: '60s' }));
      for (const next of nexts) next.then(() => waiting && early++);
      const seen = () =>
        holder.messages.flatMap(({ seen = [] }) => seen as { held: boolean; left: number }[]);
      await holder.waitFor(() => seen().length === KEYS * ROUNDS, 60_000);
      return { holder, fences: fences as number[], seen: seen(), nexts };
    }),
  );
  waiting = false;
  const seen = trials.flatMap((trial) => trial.seen);
  expect(seen).toEqual(Array.from({ length: 100 }, () => ({ held: true, left: expect.any(Number) })));
  expect(early).toBe(0);
  for (const { left } of seen) {
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThan(LONG);
  }
  for (const { holder, fences, nexts } of trials) {
    holder.send({});
    const end = await holder.waitFor((message) => 'released' in message);
    expect(end).toEqual({ aborted: false, released: Array(KEYS).fill(true), fences, warnings: [] });
    for (const [n, next] of nexts.entries()) expect((await next).fence).toBeGreaterThan(fences[n]!);
    await finished(holder);
  }
}, 120_000);

test('a loop that is blocked beyond maxBlock: the rival gets in within the ttl, and it is lost in the next statement', async () => {
  const maxBlock = 2_000;
  const names = (n: number) => Array.from({ length: KEYS }, (_, key) => `b${n}.${key}`);
  const holders = Array.from({ length: PROCESSES }, (_, n) =>
    child(`
      const by = locker(undefined, ${LONG});
      for (let round = 0; round < ${ROUNDS}; round++) {
        const leases = await Promise.all(${JSON.stringify(names(n))}.map(async (key) => {
          await sleep(Math.random() * ${LONG});
          return by.acquire(key, { maxBlock: ${maxBlock} });
        }));
        const told = leases.map(({ signal }) => new Promise((resolve) => signal.addEventListener('abort', resolve)));
        await sleep(Math.random() * ${LONG});
        send({ round, held: leases.map(({ held }) => held), at: Date.now() });
        standStill(${maxBlock + LONG + 1_500});
        const seen = leases.map((lease) => ({ held: lease.held, left: lease.ttl(), reason: reasonOf(lease) }));
        const now = performance.now();
        await Promise.all(told);
        send({ after: round, seen, told: leases.map(({ signal }) => signal.reason.reason), ms: performance.now() - now });
      }
      await close();
    `),
  );
  const rival = locks(server.url).mustOf();
  const trial = async (holder: Worker, n: number) => {
    const trials: { after: number; seen: unknown; told: unknown }[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const { at, held } = await holder.waitFor((message) => message.round === round, 60_000);
      expect(held).toEqual(Array(KEYS).fill(true));
      const afters = names(n).map(async (key) => {
        const lease = await rival.acquire(key, { wait: '10s' });
        const after = Date.now() - (at as number);
        await lease.release();
        return after;
      });
      const took = await Promise.all(afters);
      const { seen, told, ms } = await holder.waitFor((message) => message.after === round);
      expect(ms).toBeLessThan(500);
      took.forEach((after, key) => {
        trials.push({ after, seen: (seen as unknown[])[key], told: (told as unknown[])[key] });
      });
    }
    await finished(holder);
    return trials;
  };
  const trials = (await Promise.all(holders.map(trial))).flat();
  expect(trials.length).toBe(100);
  for (const { after, seen, told } of trials) {
    expect(after).toBeGreaterThan(maxBlock / 2);
    expect(after).toBeLessThan(maxBlock + LONG + 1_500);
    expect([seen, told]).toEqual([{ held: false, left: 0, reason: 'blocked' }, 'blocked']);
  }
}, 120_000);

test('a block that is over before the lease is, but not before maxBlock, is a loss too', async () => {
  const holder = child(`
    const lease = await locker().acquire('c', { ttl: '30s', maxBlock: 500 });
    block(800);
    send({ held: lease.held, reason: reasonOf(lease) });
    await sleep(300);
    send({ held: lease.held, aborted: lease.signal.aborted });
    await close();
  `);
  await finished(holder);
  expect(holder.messages).toEqual([
    { held: false, reason: 'blocked' },
    { held: false, aborted: true },
  ]);
});

test('the first lease is not over before the thread is there: a block right after the acquire', async () => {
  const holder = child(`
    const lease = await locker().acquire('d');
    block(${4 * TTL});
    send({ held: lease.held });
    await close();
  `);
  await finished(holder);
  expect(holder.messages).toEqual([{ held: true }]);
});

test('maxHold ends a lease that the thread renews', async () => {
  const holder = child(`
    const lease = await locker().acquire('e', { maxHold: 2000 });
    block(1500);
    const before = lease.held;
    block(600);
    send({ before, held: lease.held, reason: reasonOf(lease) });
    await close();
  `);
  await finished(holder);
  expect(holder.messages).toEqual([{ before: true, held: false, reason: 'maxHold' }]);
});

test('several keys are renewed together under a block', async () => {
  const holder = child(`
    const lease = await locker().acquire(['f1', 'f2', 'f3']);
    block(${3 * TTL});
    const { held } = lease;
    send({ held, released: await lease.release() });
    await close();
  `);
  await finished(holder);
  expect(holder.messages).toEqual([{ held: true, released: true }]);
});

test('what the thread learns under a block is known in the next statement: a hold that was stolen, one that was revoked', async () => {
  const holder = child(`
    const by = locker();
    const stolen = await by.acquire('g', { maxBlock: '1h' });
    const revoked = await by.acquire('h', { maxBlock: '1h' });
    send({ fence: revoked.fence });
    block(3000);
    send({ stolen: stolen.held, why: reasonOf(stolen), revoked: revoked.held, reason: reasonOf(revoked) });
    await close();
  `);
  const { fence } = await holder.waitFor((message) => 'fence' in message);
  await redis.del('lock:{g}');
  expect(
    await locks(server.url)
      .mustOf()
      .revoke('h', fence as number, { grace: '500ms' }),
  ).toBe(true);
  await finished(holder);
  expect(holder.messages[1]).toEqual({ stolen: false, why: 'stolen', revoked: false, reason: 'revoked' });
});

test('a thread that dies: the main thread renews, and there is one warning', async () => {
  const holder = child(`
    const by = locker();
    const lease = await by.acquire('i');
    await threads[0].terminate();
    const later = await by.acquire('j');
    await sleep(${3 * TTL});
    send({ held: [lease.held, later.held], warnings, threads: threads.length });
    send({ released: [await lease.release(), await later.release()] });
    await close();
  `);
  await finished(holder);
  expect(holder.messages).toEqual([
    { held: [true, true], warnings: ['LATCHKEY_THREAD'], threads: 1 },
    { released: [true, true] },
  ]);
});

test('a thread that is cut off again and again: the main thread renews, without a warning', async () => {
  const holder = child(`
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

test('a thread whose file is not found, as in a bundle: the main thread renews, and there is one warning', async () => {
  const holder = child(
    `
    const by = locker();
    const lease = await by.acquire('k');
    await sleep(${2 * TTL});
    send({ held: lease.held, released: await lease.release(), warnings });
    await (await by.acquire('k')).release();
    send({ warnings });
    await close();
  `,
    { FILE: '/nowhere/renewal-worker.js' },
  );
  await finished(holder);
  expect(holder.messages).toEqual([
    { held: true, released: true, warnings: ['LATCHKEY_THREAD'] },
    { warnings: ['LATCHKEY_THREAD'] },
  ]);
  expect(holder.stderr()).toContain('renewal-worker.js');
});

test('bundled by esbuild into one file, it works: by a thread where the worker was bundled beside it, else in the main thread', async () => {
  const dir = await mkdtemp(join(root, 'build', 'bundle-'));
  const options: BuildOptions = { bundle: true, format: 'esm', platform: 'node', external: ['ioredis'] };
  const source = `
    import { LockRegistry, redisDriver } from './dist/locks.js';
    const registry = new LockRegistry().registerDriver('redis', () => redisDriver({ url: process.env.URL }));
    registry.registerLocker('default', { driver: 'redis', autoRenew: true, renewIn: 'thread', ttl: ${TTL} });
    const warnings = [];
    process.on('warning', ({ code }) => warnings.push(code));
    export const run = async (send, ms) => {
      const lease = await registry.mustOf().acquire('bundled');
      const end = performance.now() + ms;
      while (performance.now() < end);
      const { held } = lease;
      await new Promise((resolve) => setTimeout(resolve, ${2 * TTL}));
      send({ held, still: lease.held, released: await lease.release(), warnings });
      await registry.close();
    };
  `;
  const outfile = join(dir, 'app.mjs');
  await build({ ...options, stdin: { contents: source, resolveDir: root }, outfile });
  const run = async (ms: number) => {
    const app = runSource(`const { run } = await import('${outfile}'); await run(send, ${ms});`, {
      URL: server.url,
    });
    workers.push(app);
    await finished(app);
    return app.messages[0];
  };
  try {
    expect(await run(0)).toEqual({ held: true, still: true, released: true, warnings: ['LATCHKEY_THREAD'] });
    const worker = join(root, 'dist/drivers/redis/renewal-worker.js');
    await build({ ...options, entryPoints: [worker], outfile: join(dir, 'renewal-worker.js') });
    expect(await run(3 * TTL)).toEqual({ held: true, still: true, released: true, warnings: [] });
  } finally {
    await rm(dir, { recursive: true });
  }
});

test('options that hold a function cannot be sent to a thread: the warning names it, and the main thread renews', async () => {
  const holder = child(`
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
  const holder = child(`
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
  const holder = child(`
    import { setFlagsFromString } from 'node:v8';
    import { runInNewContext } from 'node:vm';
    setFlagsFromString('--expose-gc');
    const gc = runInNewContext('gc');
    const by = locker();
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
    const again = await by.acquire('again');
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
    const holder = child(`
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
    expect(released.length).toBeGreaterThan(0.9 * leases * rounds);
    const renewed = released.filter(({ token }) => arrived.has(token));
    expect(renewed.length).toBeGreaterThan(0.5 * leases * rounds);
    const late = renewed.filter(({ token, number }) => arrived.get(token)!.some((sent) => sent > number));
    // The thread may send one between our look and the release.
    expect(late.length).toBeLessThanOrEqual(2);
  } finally {
    monitor.disconnect();
  }
}, 90_000);

test('releases that race renewals are all true, hurt nobody who comes after, and nothing is lost', async () => {
  const holder = child(`
    const by = locker();
    let lost = 0;
    const released = await Promise.all(Array.from({ length: 40 }, async (_, n) => {
      const answers = [];
      for (let i = 0; i < 8; i++) {
        // Of one key there are always two who want it, so that holds are handed on in the process too.
        const lease = await by.acquire('o' + (n >> 1), { ttl: 900, wait: '30s' });
        lease.signal.addEventListener('abort', () => lost++);
        await sleep(280 + Math.random() * 40);
        answers.push(await lease.release());
      }
      return answers;
    }));
    send({ released: released.flat().filter(Boolean).length, lost, warnings });
    await close();
  `);
  await finished(holder);
  expect(holder.messages).toEqual([{ released: 320, lost: 0, warnings: [] }]);
}, 60_000);

test('refresh and extend are right beside the thread: the later one counts, and the thread goes on from there', async () => {
  const holder = child(`
    const lease = await locker().acquire('p');
    const answers = [];
    for (let i = 0; i < 20; i++) {
      await sleep(Math.random() * 60);
      answers.push(await lease.extend(i % 2 ? 200 : 0), await lease.refresh(${TTL}));
    }
    block(${2 * TTL});
    const { held } = lease, left = lease.ttl();
    send({ good: answers.filter(Boolean).length, held, left, longer: await lease.refresh('20s') });
    await sleep(1000);
    send({ left: lease.ttl() });
    await close();
  `);
  await finished(holder);
  expect(holder.messages[0]).toEqual({ good: 40, held: true, left: expect.any(Number), longer: true });
  expect(holder.messages[0]!.left).toBeLessThan(TTL);
  expect(holder.messages[1]!.left).toBeGreaterThan(15_000);
  expect(holder.messages[1]!.left).toBeLessThan(20_000);
});

test('a process that is stopped beyond its ttl, thread and all, loses the lease', async () => {
  const holder = child(`
    const lease = await locker().acquire('q');
    send({ up: true });
    await sleep(500);
    while (lease.held) await sleep(5);
    send({ reason: reasonOf(lease), aborted: lease.signal.aborted });
    await close();
  `);
  await holder.waitFor(({ up }) => up === true);
  holder.kill('SIGSTOP');
  const rival = await locks(server.url).mustOf().acquire('q', { wait: '10s' });
  await sleep(200);
  holder.kill('SIGCONT');
  await finished(holder);
  expect(holder.messages[1]).toMatchObject({ aborted: true });
  expect(['expired', 'backend']).toContain(holder.messages[1]!.reason);
  expect(await rival.release()).toBe(true);
});

test('memory needs no thread, and does not warn', async () => {
  const holder = child(`
    const memory = new LockRegistry().mustOf();
    const lease = await memory.acquire('r', { autoRenew: true, renewIn: 'thread', ttl: 300 });
    await sleep(1000);
    send({ held: lease.held, threads: threads.length, warnings });
  `);
  await finished(holder);
  expect(holder.messages).toEqual([{ held: true, threads: 0, warnings: [] }]);
});

test('a try that is refused while the thread starts is told so in time', async () => {
  await locks(server.url).mustOf().acquire('s');
  const started = child(`
    const by = locker();
    const asked = performance.now();
    const lease = await by.tryAcquire('s');
    send({ lease, took: performance.now() - asked });
    await by.acquire('s', { wait: 300 }).catch(({ code }) => send({ code }));
    await close();
  `);
  await finished(started);
  expect(started.messages[0]!.lease).toBeNull();
  expect(started.messages[0]!.took).toBeLessThan(3_000);
  expect(started.messages[1]).toEqual({ code: 'LOCK_TIMEOUT' });
});
