import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { createApp } from '../../src/app/application.js';

const root = new URL('../../', import.meta.url).href;

// Node 20 runs no TypeScript, and a signal is best tried on a real process: its loader is the one jest has.
const loader = `
  import { createRequire } from 'node:module';
  import { fileURLToPath } from 'node:url';
  const { transformFileSync } = createRequire('${root}')('@swc/core');
  export function resolve(name, context, next) {
    const ours = name.startsWith('.') && context.parentURL.endsWith('.ts');
    return next(ours ? name.replace(/js$/, 'ts') : name, context);
  }
  export function load(url, context, next) {
    if (!url.endsWith('.ts')) return next(url, context);
    const jsc = { target: 'es2022', parser: { syntax: 'typescript' } };
    const { code } = transformFileSync(fileURLToPath(url), { swcrc: false, jsc });
    return { format: 'module', source: code, shortCircuit: true };
  }`;

/** Runs an app whose provider has these hooks, sends the signals once it says so, and waits for the end. */
async function run(hooks: string, ...signals: NodeJS.Signals[]) {
  const script = `
    import { register } from 'node:module';
    register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(loader)}));
    const { createApp } = await import('${root}src/app/application.ts');
    const idle = setInterval(() => {}, 1000);
    const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
    const app = createApp({ signals: true, env: {} }).install({ name: 'a', ${hooks} });
    await app.start();
    console.log('ready');`;
  const child: ChildProcess = spawn(process.execPath, ['--input-type=module', '-e', script], {
    cwd: fileURLToPath(root),
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 30_000,
    killSignal: 'SIGKILL',
  });
  let said = '';
  let sent = false;
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.on('data', (chunk) => {
      said += chunk;
      if (!sent && said.includes('ready')) {
        sent = true;
        for (const signal of signals) child.kill(signal);
      }
    });
  }
  const [code, signal] = await once(child, 'close');
  return { code, signal, said };
}

const stop = `async stop() { await wait(100); console.log('stopped'); }`;

describe('with signals: true', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)(
    '%s stops the app, and then the process ends by it',
    async (signal) => {
      expect(await run(stop, signal)).toEqual({ code: null, signal, said: 'ready\nstopped\n' });
    },
  );

  test('the first process of a container, whose own signals do not end it, ends with the exit code of the signal', async () => {
    // As the kernel does there.
    const ignored = `start() { process.kill = () => true; }, ${stop}`;
    expect(await run(ignored, 'SIGTERM')).toEqual({ code: 143, signal: null, said: 'ready\nstopped\n' });
  });

  test('a second signal does not cut the stop short', async () => {
    const { said, signal } = await run(stop, 'SIGTERM', 'SIGINT');
    expect(said).toBe('ready\nstopped\n');
    expect(['SIGTERM', 'SIGINT']).toContain(signal);
  });

  test('a signal while the app starts stops it after that', async () => {
    const { said, signal } = await run(
      `${stop}, async start() { console.log('ready'); await wait(100); }`,
      'SIGTERM',
    );
    expect(said).toBe('ready\nready\nstopped\n');
    expect(signal).toBe('SIGTERM');
  });

  test('a stop that fails is a warning, and the process ends with code 1', async () => {
    const { said, code } = await run(`async stop() { throw new Error('stuck'); }`, 'SIGTERM');
    expect(said).toContain('Error: stuck');
    expect(said).not.toContain('nhandled');
    expect(code).toBe(1);
  });

  test('a start that hangs does not keep the process: what had started is stopped after 5 s', async () => {
    const started = performance.now();
    const hangs = `start() { console.log('ready'); return new Promise(() => {}); }`;
    const { said, signal } = await run(`${stop} }, { name: 'b', ${hangs}`, 'SIGTERM', 'SIGTERM');
    expect(said).toMatch(/^ready\nstopped\n/);
    expect(said).not.toContain('nhandled');
    expect(signal).toBe('SIGTERM');
    expect(performance.now() - started).toBeGreaterThan(5_000);
  });

  test('where others listen for the signal the process is theirs to end, with code 1 after a failed stop', async () => {
    const others = `start() { process.on('SIGTERM', () => { console.log('other'); clearInterval(idle); }); }`;
    const { said, code } = await run(`${others}, async stop() { throw new Error('stuck'); }`, 'SIGTERM');
    expect(said.match(/other/g)).toHaveLength(1);
    expect(code).toBe(1);
  });
});

const listeners = () => process.listenerCount('SIGTERM') + process.listenerCount('SIGINT');

test('without signals: true nothing listens', async () => {
  const before = listeners();
  await using _app = await createApp({ env: {} }).start();
  expect(listeners()).toBe(before);
});

test('a stop of ours, and a start that fails, take the listeners off', async () => {
  const before = listeners();
  const app = createApp({ signals: true, env: {} });
  await app.start();
  expect(listeners()).toBe(before + 2);
  await app.stop();
  expect(listeners()).toBe(before);
  const failing = createApp({ signals: true, env: {} }).install({
    name: 'a',
    start: () => Promise.reject(1),
  });
  await failing.start().catch(() => {});
  expect(listeners()).toBe(before);
});
