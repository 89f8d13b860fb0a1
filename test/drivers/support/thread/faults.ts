import { mkdtemp, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { expect, test } from '@jest/globals';
import { type BuildOptions, build } from 'esbuild';
import { runSource } from '../../../support/process.js';
import { sleep } from '../../../support/wait.js';
import { TTL } from './child.js';
import { type Children, finished, type ThreadBackend } from './kit.js';

const root = join(import.meta.dirname, '../../../..');

/** A thread that is missing or dies, and a process that stops with its thread. */
export function threadFaultTests(backend: ThreadBackend, children: Children): void {
  const { driver, workerFile } = backend;

  test('a thread that dies: the main thread renews, and there is one warning', async () => {
    const holder = children.start(`
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

  test('a thread whose file is not found, as in a bundle: the main thread renews, and there is one warning', async () => {
    const holder = children.start(
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
    const external = ['ioredis', 'pg'];
    const options: BuildOptions = { bundle: true, format: 'esm', platform: 'node', external };
    const source = `
      import { LockRegistry, ${driver}Driver } from './dist/locks.js';
      const registry = new LockRegistry().registerDriver('${driver}', () => ${driver}Driver({ url: process.env.URL }));
      registry.registerLocker('default', { driver: '${driver}', autoRenew: true, renewIn: 'thread', ttl: ${TTL} });
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
      const source = `const { run } = await import('${outfile}'); await run(send, ${ms});`;
      const app = children.adopt(runSource(source, { URL: backend.url() }));
      await finished(app);
      return app.messages[0];
    };
    try {
      expect(await run(0)).toEqual({
        held: true,
        still: true,
        released: true,
        warnings: ['LATCHKEY_THREAD'],
      });
      const worker = join(root, 'dist/drivers', workerFile);
      await build({ ...options, entryPoints: [worker], outfile: join(dir, basename(workerFile)) });
      expect(await run(3 * TTL)).toEqual({ held: true, still: true, released: true, warnings: [] });
    } finally {
      await rm(dir, { recursive: true });
    }
  }, 60_000);

  test('a process that is stopped beyond its ttl, thread and all, loses the lease', async () => {
    const holder = children.start(`
      const lease = await locker().acquire('q');
      send({ up: true });
      await sleep(500);
      while (lease.held) await sleep(5);
      send({ reason: reasonOf(lease), aborted: lease.signal.aborted });
      await close();
    `);
    await holder.waitFor(({ up }) => up === true);
    holder.kill('SIGSTOP');
    const rival = await backend.rival().acquire('q', { wait: '10s' });
    await sleep(200);
    holder.kill('SIGCONT');
    await finished(holder);
    expect(holder.messages[1]).toMatchObject({ aborted: true });
    expect(['expired', 'backend']).toContain(holder.messages[1]!.reason);
    expect(await rival.release()).toBe(true);
  });
}
