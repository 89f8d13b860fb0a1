import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { type BuildOptions, build } from 'esbuild';
import { postgresDriver } from '../../../src/drivers/postgres/driver.js';
import type { Locker } from '../../../src/lease/locker.js';
import { LockRegistry } from '../../../src/registry.js';
import { type PostgresServer, startPostgres } from '../../support/postgres-server.js';
import { runSource, type Worker } from '../../support/process.js';
import { sleep } from '../../support/wait.js';

const root = join(import.meta.dirname, '../../..');
const TTL = 900;

let server: PostgresServer;
let registry: LockRegistry;
let here: Locker;
const workers: Worker[] = [];

beforeAll(async () => {
  server = await startPostgres();
  registry = new LockRegistry().registerDriver('postgres', () => postgresDriver({ url: server.url() }));
  here = registry.registerLocker('default', { driver: 'postgres' }).mustOf();
  await registry.connect();
});
afterEach(async () => {
  for (const worker of workers.splice(0)) worker.kill('SIGKILL');
});
afterAll(async () => {
  await registry.close({ grace: 0 });
  await server.stop();
});

/** `locker()` renews in a thread; `block(ms)` stands still; `threads` are the worker threads that were started. */
const prelude = `
  import workerThreads from 'node:worker_threads';
  import { syncBuiltinESMExports } from 'node:module';
  import { setTimeout as sleep } from 'node:timers/promises';
  const threads = [];
  workerThreads.Worker = class extends workerThreads.Worker {
    constructor(file, options) {
      super(process.env.FILE ?? file, options);
      threads.push(this);
    }
  };
  syncBuiltinESMExports();
  const { LockRegistry, postgresDriver } = await import('latchkey');
  const warnings = [];
  process.on('warning', ({ code }) => warnings.push(code));
  const registries = [];
  const locker = (postgres = { url: process.env.URL }) => {
    const registry = new LockRegistry();
    registry.registerDriver('postgres', () => postgresDriver(postgres));
    registry.registerLocker('default', { driver: 'postgres', autoRenew: true, renewIn: 'thread', ttl: ${TTL} });
    registries.push(registry);
    return registry.mustOf();
  };
  const close = () => Promise.all(registries.map((registry) => registry.close({ grace: 0 })));
  const block = (ms) => {
    const end = performance.now() + ms;
    while (performance.now() < end);
  };
  const reasonOf = (lease) => {
    try {
      lease.ensureHeld();
    } catch ({ reason }) {
      return reason;
    }
  };
`;

function child(source: string, env: Readonly<Record<string, string>> = {}): Worker {
  const worker = runSource(prelude + source, { URL: server.url(), ...env });
  workers.push(worker);
  return worker;
}

async function finished(worker: Worker): Promise<void> {
  const exit = await worker.exited;
  const errors = exit.code === 0 ? '' : worker.stderr();
  expect({ ...exit, errors }).toEqual({ code: 0, signal: null, errors: '' });
}

/** How many sessions there are with this name. */
async function sessions(name: string): Promise<number> {
  const rows = await server.ask('SELECT FROM pg_stat_activity WHERE application_name = $1', [name]);
  return rows.length;
}

test('a loop that is blocked for 4 times the ttl, at any moment of a renewal: no rival gets in, it is held in the next statement', async () => {
  const holder = child(`
    const lease = await locker().acquire('a');
    send({ fence: lease.fence });
    for (let round = 0; round < 5; round++) {
      await sleep(Math.random() * ${TTL});
      block(${4 * TTL});
      const { held } = lease, left = lease.ttl();
      send({ held, left, fence: lease.fence, reason: reasonOf(lease) });
    }
    send({ aborted: lease.signal.aborted, released: await lease.release(), warnings });
    await close();
  `);
  const { fence } = await holder.waitFor((message) => 'fence' in message);
  let waiting = true;
  const next = here.acquire('a', { wait: '60s' }).finally(() => {
    waiting = false;
  });
  await holder.waitFor(({ left }) => left !== undefined && holder.messages.length > 4, 60_000);
  expect(waiting).toBe(true);
  const end = await holder.waitFor((message) => 'aborted' in message, 60_000);
  expect(holder.messages.slice(1, 6)).toEqual(
    Array.from({ length: 5 }, () => ({ held: true, left: expect.any(Number), fence })),
  );
  for (const { left } of holder.messages.slice(1, 6)) {
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThan(TTL);
  }
  expect(end).toEqual({ aborted: false, released: true, warnings: [] });
  const lease = await next;
  expect(lease.fence).toBeGreaterThan(fence as number);
  await lease.release();
  await finished(holder);
}, 90_000);

test('a loop that is blocked beyond maxBlock: the rival gets in within the ttl, and it is lost in the next statement', async () => {
  const maxBlock = 1_000;
  const holder = child(`
    const lease = await locker().acquire('b', { maxBlock: ${maxBlock} });
    const told = new Promise((resolve) => lease.signal.addEventListener('abort', () => resolve(performance.now())));
    await sleep(${TTL} + Math.random() * ${TTL});
    send({ before: lease.held, at: Date.now() });
    block(${maxBlock + TTL + 1_500});
    const { held } = lease, left = lease.ttl(), now = performance.now();
    send({ held, left, reason: lease.signal.reason?.reason, toldAfter: (await told) - now });
    await close();
  `);
  const { at, before } = await holder.waitFor((message) => 'before' in message);
  expect(before).toBe(true);
  const lease = await here.acquire('b', { wait: '10s' });
  const after = Date.now() - (at as number);
  expect(after).toBeGreaterThan(maxBlock / 2);
  expect(after).toBeLessThan(maxBlock + TTL + 1_000);
  await lease.release();
  await finished(holder);
  const { toldAfter, ...message } = holder.messages[1]!;
  expect(message).toMatchObject({ held: false, left: 0 });
  expect(toldAfter).toBeLessThan(200);
}, 60_000);

test('a block right after the first acquire, of several keys, is survived', async () => {
  const holder = child(`
    const lease = await locker().acquire(['c1', 'c2', 'c3']);
    block(${4 * TTL});
    const { held } = lease;
    send({ held, released: await lease.release() });
    await close();
  `);
  await finished(holder);
  expect(holder.messages).toEqual([{ held: true, released: true }]);
});

test('readers are renewed in the thread too', async () => {
  const holder = child(`
    const lease = await locker().acquire('d', { mode: 'read', limit: 2 });
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
    const stolen = await by.acquire('e', { maxBlock: '1h' });
    const revoked = await by.acquire('f', { maxBlock: '1h' });
    send({ fence: revoked.fence });
    block(3000);
    send({ stolen: stolen.held, why: reasonOf(stolen), revoked: revoked.held, reason: reasonOf(revoked) });
    await close();
  `);
  const { fence } = await holder.waitFor((message) => 'fence' in message);
  await server.ask(`UPDATE latchkey.lock SET token = NULL WHERE name = 'lock:{e}'`);
  expect(await here.revoke('f', fence as number, { grace: '500ms' })).toBe(true);
  await finished(holder);
  expect(holder.messages[1]).toEqual({ stolen: false, why: 'stolen', revoked: false, reason: 'revoked' });
});

test('a revocation is told to the process at once, although the thread renews', async () => {
  const holder = child(`
    const lease = await locker().acquire('g', { ttl: '30s' });
    await lease.refresh('6s');
    // Until the thread has renewed it.
    await sleep(3000);
    send({ fence: lease.fence });
    await new Promise((resolve) => lease.signal.addEventListener('abort', resolve));
    send({ at: Date.now(), reason: reasonOf(lease) });
    await close();
  `);
  const { fence } = await holder.waitFor((message) => 'fence' in message);
  const asked = Date.now();
  expect(await here.revoke('g', fence as number)).toBe(true);
  await finished(holder);
  expect(holder.messages[1]).toEqual({ at: expect.any(Number), reason: 'revoked' });
  // Its next renewal is a second away.
  expect((holder.messages[1]!.at as number) - asked).toBeLessThan(900);
});

test('a server that is killed and started again under a block takes nothing away', async () => {
  const holder = child(`
    const lease = await locker().acquire('h', { ttl: '10s' });
    send({ fence: lease.fence });
    block(13000);
    const { held } = lease;
    // The main thread may not have read yet that its connection is closed.
    send({ held, released: await lease.release().catch(({ code }) => code) });
    await close();
  `);
  await holder.waitFor((message) => 'fence' in message);
  await sleep(500);
  await server.restart();
  await finished(holder);
  expect(holder.messages[1]).toEqual({ held: true, released: expect.anything() });
  expect([true, 'LOCK_BACKEND']).toContain(holder.messages[1]!.released);
}, 60_000);

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

test('bundled by esbuild, it works by a thread where the worker was bundled beside it, else in the main thread', async () => {
  const dir = await mkdtemp(join(root, 'build', 'bundle-'));
  const options: BuildOptions = {
    bundle: true,
    format: 'esm',
    platform: 'node',
    external: ['pg', 'ioredis'],
  };
  const source = `
    import { LockRegistry, postgresDriver } from './dist/locks.js';
    const registry = new LockRegistry().registerDriver('postgres', () => postgresDriver({ url: process.env.URL }));
    registry.registerLocker('default', { driver: 'postgres', autoRenew: true, renewIn: 'thread', ttl: ${TTL} });
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
      URL: server.url(),
    });
    workers.push(app);
    await finished(app);
    return app.messages[0];
  };
  try {
    expect(await run(0)).toEqual({ held: true, still: true, released: true, warnings: ['LATCHKEY_THREAD'] });
    const file = 'postgres-renewal-worker.js';
    await build({
      ...options,
      entryPoints: [join(root, 'dist/drivers/postgres', file)],
      outfile: join(dir, file),
    });
    expect(await run(3 * TTL)).toEqual({ held: true, still: true, released: true, warnings: [] });
  } finally {
    await rm(dir, { recursive: true });
  }
}, 60_000);

test('a password that is a function cannot be sent to a thread: the warning names it, and the main thread renews', async () => {
  const holder = child(
    `
    const { PORT, PASSWORD } = process.env;
    const lease = await locker({ host: '127.0.0.1', port: +PORT, user: 'postgres', password: () => PASSWORD }).acquire('k');
    await sleep(${2 * TTL});
    send({ held: lease.held, warnings, threads: threads.length });
    await close();
  `,
    { PORT: `${server.port}`, PASSWORD: server.password },
  );
  await finished(holder);
  expect(holder.messages).toEqual([{ held: true, warnings: ['LATCHKEY_THREAD'], threads: 0 }]);
  expect(holder.stderr()).toContain('`password`');
  expect(holder.stderr()).not.toContain(server.password);
});

test('the thread connects as a pool that is lent does, hidden password and all, by one session with a name', async () => {
  const holder = child(
    `
    import pg from 'pg';
    const { PORT, PASSWORD } = process.env;
    const pool = new pg.Pool({
      host: '127.0.0.1', port: +PORT, user: 'postgres', password: PASSWORD, application_name: 'mine', verify() {},
    });
    const lease = await locker(pool).acquire('l');
    send({ up: true });
    block(${3 * TTL});
    send({ held: lease.held, warnings });
    for await (const _ of received) break;
    await close();
    await pool.end();
    process.stdin.destroy();
  `,
    { PORT: `${server.port}`, PASSWORD: server.password },
  );
  await holder.waitFor(({ up }) => up === true);
  expect(await sessions('latchkey-renewal')).toBe(1);
  expect(await sessions('mine')).toBe(4);
  expect(await holder.waitFor((message) => 'held' in message)).toEqual({ held: true, warnings: [] });
  holder.send({});
  await finished(holder);
  expect(await sessions('latchkey-renewal')).toBe(0);
});

test('releases that race renewals are all true, and nothing is lost', async () => {
  const holder = child(`
    const by = locker();
    let lost = 0;
    const released = await Promise.all(Array.from({ length: 20 }, async (_, n) => {
      const answers = [];
      for (let i = 0; i < 6; i++) {
        // Of one key there are always two who want it, so that holds are handed on in the process too.
        const lease = await by.acquire('o' + (n >> 1), { ttl: 600, wait: '30s' });
        lease.signal.addEventListener('abort', () => lost++);
        await sleep(190 + Math.random() * 20);
        answers.push(await lease.release());
      }
      return answers;
    }));
    send({ released: released.flat().filter(Boolean).length, lost, warnings });
    await close();
  `);
  await finished(holder);
  expect(holder.messages).toEqual([{ released: 120, lost: 0, warnings: [] }]);
}, 60_000);

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
  const rival = await here.acquire('q', { wait: '10s' });
  await sleep(200);
  holder.kill('SIGCONT');
  await finished(holder);
  expect(holder.messages[1]).toMatchObject({ aborted: true });
  expect(['expired', 'backend']).toContain(holder.messages[1]!.reason);
  expect(await rival.release()).toBe(true);
});
