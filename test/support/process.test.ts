import { expect, test } from '@jest/globals';
import { runSource } from './process.js';
import { sleep, until } from './wait.js';

test('talks with a worker, stops it and kills it', async () => {
  const worker = runSource(`
    send({ ready: true });
    for await (const { say } of received) send({ said: say });
  `);
  await worker.waitFor(({ ready }) => ready === true);
  worker.kill('SIGSTOP');
  worker.send({ say: 'hello' });
  await sleep(100);
  expect(worker.messages).toHaveLength(1);
  worker.kill('SIGCONT');
  await worker.waitFor(({ said }) => said === 'hello');
  worker.kill('SIGKILL');
  expect(await worker.exited).toEqual({ code: null, signal: 'SIGKILL' });
});

test('says why a worker ended early', async () => {
  const worker = runSource(`throw new Error('no such luck')`);
  await expect(worker.waitFor(() => true)).rejects.toThrow('no such luck');
});

test('children die with the process that started them, however it dies', async () => {
  // The same guard as orphans.ts sets, seen from outside: the parent is killed, the child is paused.
  const parent = runSource(`
    import { transformSync } from '@swc/core';
    import { readFileSync } from 'node:fs';
    import { spawn } from 'node:child_process';
    const { code } = transformSync(readFileSync('test/support/orphans.ts', 'utf8'), {
      jsc: { parser: { syntax: 'typescript' }, target: 'es2022' } });
    const { dieWithUs } = await import('data:text/javascript,' + encodeURIComponent(code));
    const child = spawn('sleep', ['60'], { stdio: 'ignore' });
    dieWithUs(child);
    child.kill('SIGSTOP');
    send({ pid: child.pid });
    setInterval(() => {}, 1000);
  `);
  const { pid } = await parent.waitFor(({ pid }) => pid !== undefined);
  parent.kill('SIGKILL');
  await until(() => {
    try {
      process.kill(Number(pid), 0);
      return false;
    } catch {
      return true;
    }
  });
});
