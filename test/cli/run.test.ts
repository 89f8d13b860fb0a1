import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { sleep, until } from '../support/wait.js';
import { CommandBed } from './support/bed.js';
import { isAlive, latchkey, type Running, start, startInTerminal } from './support/command.js';

let bed: CommandBed;
let dir: string;
let key: string;
let count = 0;

beforeAll(async () => {
  bed = await CommandBed.start();
  dir = await mkdtemp(join(tmpdir(), 'latchkey-run-'));
});

beforeEach(() => {
  key = `job:${++count}`;
});

afterAll(async () => {
  await bed.stop();
  await rm(dir, { recursive: true });
});

const run = (options: string[], script: string): Running =>
  start(['run', key, ...options, '--', 'sh', '-c', script], bed.env);

const holder = async () => (await bed.locker.inspect(key))?.holders[0];

/** The number that the command wrote behind a name. */
async function numberOf(running: Running, name: string): Promise<number> {
  return Number((await running.wrote(new RegExp(`${name}=(\\d+)`)))[1]);
}

test('runs the command under the lock, with the key and the fence in its environment', async () => {
  const running = run([], 'echo "$LATCHKEY_KEY $LATCHKEY_FENCE."; read line; echo "got $line"');
  const [, told, fence] = await running.wrote(/^(\S+) (\d+)\./);
  expect(told).toBe(key);
  expect(await holder()).toMatchObject({ fence: Number(fence), meta: { command: 'sh' } });
  expect(await bed.locker.tryAcquire(key)).toBeNull();
  running.child.stdin?.write('a line\n');
  expect(await running.answer).toMatchObject({ code: 0, stderr: '' });
  expect(running.stdout()).toContain('got a line');
  expect(await holder()).toBeUndefined();
});

test('gives the command its words as they are: there is no shell', async () => {
  const words = ['$(echo no)', '`id`', 'a b', '*', "'", '--wait', ''];
  const script = 'console.log(JSON.stringify(process.argv.slice(1)))';
  const { stdout } = await latchkey(
    ['run', key, '--', process.execPath, '-e', script, '--', ...words],
    bed.env,
  );
  expect(JSON.parse(stdout)).toEqual(words);
});

test.each([
  ['exit 0', 0],
  ['exit 3', 3],
  ['exit 75', 75],
  ['kill -TERM $$', 143],
  ['kill -KILL $$', 137],
])('exits as the command does: %s gives %d', async (script, code) => {
  expect(await run([], script).answer).toMatchObject({ code, signal: null, stderr: '' });
  expect(await holder()).toBeUndefined();
});

test('says why a command cannot be run: 127 where there is none, 126 where it is no program', async () => {
  for (const command of ['no-such-command', '']) {
    expect(await latchkey(['run', key, '--', command], bed.env)).toMatchObject({
      code: 127,
      stderr: 'latchkey: the command was not found\n',
    });
  }
  expect(await latchkey(['run', key, '--', dir], bed.env)).toMatchObject({
    code: 126,
    stderr: 'latchkey: the command cannot be run: EACCES\n',
  });
  expect(await holder()).toBeUndefined();
});

test('does not start the command where the key is held: 75, or what -E says', async () => {
  const lease = await bed.locker.acquire(key, { ttl: '1m' });
  expect(await run(['--wait', '0'], 'echo ran').answer).toMatchObject({
    code: 75,
    stdout: '',
    stderr: `latchkey: lock: not obtained: "${key}" is held, and wait is 0\n`,
  });
  const started = performance.now();
  expect(await run(['--wait', '700ms', '-E', '7'], 'echo ran').answer).toMatchObject({ code: 7, stdout: '' });
  expect(performance.now() - started).toBeGreaterThan(700);
  await lease.release();
});

test('waits for the key, and runs when it is handed over', async () => {
  const lease = await bed.locker.acquire(key, { ttl: '1m' });
  const running = run(['--wait', '1m'], 'echo ran');
  await until(async () => (await bed.locker.inspect(key))?.waiters === 1);
  expect(running.stdout()).toBe('');
  await lease.release();
  expect(await running.answer).toMatchObject({ code: 0, stdout: 'ran\n' });
});

test('exits with 69 where the backend is down, and does not start the command', async () => {
  const answer = await latchkey(['run', key, '--url', 'redis://127.0.0.1:1', '--', 'echo', 'ran']);
  expect(answer).toMatchObject({ code: 69, stdout: '' });
});

test('refuses options that are wrong with 64', async () => {
  const wrong = [
    ['--ttl', '10ms'],
    ['--wait', 'soon'],
    ['--limit', '0'],
    ['--at-least', '-1s'],
    ['-E', '256'],
    ['-E', 'x'],
    ['--keep', '1h'],
    ['--once', 's', '--keep', 'soon'],
    ['--once', ''],
  ];
  for (const options of wrong) {
    const answer = await run(options, 'echo ran').answer;
    expect(answer).toMatchObject({ code: 64, stdout: '', stderr: expect.stringMatching(/^latchkey: .*\n$/) });
  }
});

test('refuses a ttl of the settings that is as short as --ttl may not be, with 78', async () => {
  const command = ['run', key, '--', 'echo', 'ran'];
  for (const variable of ['LOCK_TTL', 'LOCK_LOCKERS__DEFAULT__TTL']) {
    const env = { ...bed.env, [variable]: '900ms' };
    const answer = await latchkey(command, env);
    expect(answer).toMatchObject({ code: 78, stdout: '', stderr: expect.stringContaining('is 900 ms') });
    expect(await latchkey(['run', key, '--ttl', '5s', '--', 'echo', 'ran'], env)).toMatchObject({ code: 0 });
  }
  // On a machine that stalls the lease may be lost meanwhile, which is another code.
  const longer = await latchkey(command, { ...bed.env, LOCK_TTL: '1s' });
  expect(longer.code).not.toBe(78);
  expect(longer.stderr).not.toContain('expected at least');
});

test('--limit lets so many in, and no more', async () => {
  const first = run(['--limit', '2'], 'echo in; sleep 60');
  const second = run(['--limit', '2'], 'echo in; sleep 60');
  await Promise.all([first.wrote(/in/), second.wrote(/in/)]);
  expect((await run(['--limit', '2', '--wait', '0'], 'echo in').answer).code).toBe(75);
  first.child.kill('SIGTERM');
  await first.answer;
  expect((await run(['--limit', '2', '--wait', '0'], 'echo in').answer).code).toBe(0);
  second.child.kill('SIGTERM');
  await second.answer;
});

test('--at-least keeps the key taken after a short command', async () => {
  expect((await run(['--at-least', '1m'], 'true').answer).code).toBe(0);
  expect((await run(['--wait', '0'], 'echo ran').answer).code).toBe(75);
  const rest = (await bed.locker.inspect(key))!.restsUntil! - Date.now();
  expect(rest).toBeGreaterThan(40_000);
  expect(rest).toBeLessThan(61_000);
});

test('--once runs once a slot; a command that fails leaves the slot to another try', async () => {
  const once = (slot: string, script: string) => run(['--once', slot], script).answer;
  expect(await once('monday', 'exit 4')).toMatchObject({ code: 4 });
  expect(await once('monday', 'echo $LATCHKEY_KEY')).toMatchObject({ code: 0, stdout: `${key}\n` });
  expect(await once('monday', 'echo ran')).toMatchObject({ code: 75, stdout: '' });
  expect(await once('tuesday', 'echo ran')).toMatchObject({ code: 0, stdout: 'ran\n' });
});

test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('%s while it waits ends the wait', async (signal) => {
  const lease = await bed.locker.acquire(key, { ttl: '1m' });
  const running = run(['--wait', 'forever'], 'echo ran');
  await until(async () => (await bed.locker.inspect(key))?.waiters === 1);
  running.child.kill(signal);
  const { code, stdout } = await running.answer;
  expect({ code, stdout }).toEqual({ code: { SIGTERM: 143, SIGINT: 130, SIGHUP: 129 }[signal], stdout: '' });
  await until(async () => (await bed.locker.inspect(key))?.waiters === 0);
  await lease.release();
});

test.each(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR2'] as const)(
  '%s reaches the command and its children',
  async (signal) => {
    const name = signal.slice(3);
    const child = `sh -c 'trap "echo child; exit" ${name}; echo up; while :; do sleep 0.05; done'`;
    // A shell has what it runs in the background ignore SIGINT.
    const rest = signal === 'SIGINT' ? '' : 'wait $!;';
    const script = `trap "echo parent" ${name}; ${child} & wait $!; ${rest} exit 9`;
    const running = run([], script);
    await running.wrote(/up/);
    expect((await holder())?.fence).toBeGreaterThan(0);
    running.child.kill(signal);
    expect(await running.answer).toMatchObject({ code: 9 });
    expect(running.stdout()).toContain('parent');
    expect(running.stdout().includes('child')).toBe(signal !== 'SIGINT');
    expect(await holder()).toBeUndefined();
  },
);

test.each(['SIGTERM', 'SIGINT'] as const)(
  '%s at any moment of its start ends it, and nothing is left: no command, no hold, no waiter',
  async (signal) => {
    const began = performance.now();
    const whole = run([], 'echo group=$$; sleep 30');
    await whole.wrote(/group/);
    const took = performance.now() - began;
    whole.child.kill(signal);
    await whole.answer;
    const steps = 10;
    const ends = await Promise.all(
      Array.from({ length: steps }, async (_, step) => {
        // Each on a key of its own, all within the time of a start.
        const words = ['run', `${key}:${step}`, '--', 'sh', '-c', 'echo group=$$; sleep 30'];
        const running = start(words, bed.env);
        await sleep((took * 1.5 * step) / (steps - 1));
        running.child.kill(signal);
        return running.answer;
      }),
    );
    for (const [step, { code, signal: own, stdout }] of ends.entries()) {
      // Before it listens, the signal ends it as any process.
      expect(own ?? code).toBe(own ? signal : { SIGTERM: 143, SIGINT: 130 }[signal]);
      const group = /group=(\d+)/.exec(stdout)?.[1];
      if (group) expect(isAlive(-Number(group))).toBe(false);
      await until(async () => (await bed.locker.inspect(`${key}:${step}`)) === null);
    }
  },
  60_000,
);

test.each(['SIGTERM', 'SIGINT'] as const)(
  '%s while it waits for a backend that is silent ends it all the same',
  async (signal) => {
    const lease = await bed.locker.acquire(key, { ttl: '1m' });
    const running = run(['--wait', 'forever'], 'echo ran');
    await until(async () => (await bed.locker.inspect(key))?.waiters === 1);
    bed.server.pause();
    try {
      running.child.kill(signal);
      const { code, stdout } = await running.answer;
      expect({ code, stdout }).toEqual({ code: { SIGTERM: 143, SIGINT: 130 }[signal], stdout: '' });
    } finally {
      bed.server.resume();
    }
    await lease.release();
  },
);

test.each(['SIGTERM', 'SIGINT'] as const)(
  '%s after the command has ended changes nothing: what it left behind is ended, then the key is free',
  async (signal) => {
    const script = 'echo command=$$; (trap "" TERM INT; echo up; sleep 60) & echo child=$!; read _; exit 3';
    const running = run([], script);
    const command = await numberOf(running, 'command');
    const child = await numberOf(running, 'child');
    await running.wrote(/up/);
    running.child.stdin?.write('\n');
    await until(() => !isAlive(command));
    running.child.kill(signal);
    const lease = await bed.locker.acquire(key, { wait: '20s' });
    expect(isAlive(child)).toBe(false);
    expect((await running.answer).code).toBe(3);
    await lease.release();
  },
);

test('a Ctrl-C in a terminal reaches the command once, and its exit code comes through', async () => {
  const script =
    '[ -t 0 ] && [ -t 1 ] && echo tty; trap "echo told; exit 7" INT; echo up; while :; do sleep 0.05; done';
  const running = startInTerminal(['run', key, '--', 'sh', '-c', script], bed.env, 80);
  await running.wrote(/tty\s+up/);
  running.child.stdin?.write('\u0003');
  const { code, stdout } = await running.answer;
  expect(code).toBe(7);
  expect(stdout.match(/told/g)).toHaveLength(1);
  expect(await holder()).toBeUndefined();
});

test('a command that ignores SIGTERM goes on under its lock, renewed', async () => {
  const running = run(['--ttl', '2s'], 'trap "" TERM; echo up; sleep 5; echo done');
  await running.wrote(/up/);
  running.child.kill('SIGTERM');
  await sleep(2_500);
  expect(await bed.locker.tryAcquire(key)).toBeNull();
  expect(await running.answer).toMatchObject({ code: 0, stdout: 'up\ndone\n' });
});

test('a lease that lasts for longer than a timer can does not end the command', async () => {
  const running = run(['--ttl', '30d'], 'echo up; sleep 2; echo done');
  expect(await running.answer).toMatchObject({ code: 0, stdout: 'up\ndone\n', stderr: '' });
});

test('what the command leaves behind has ended before the key is free', async () => {
  const running = run([], '(trap "" TERM; sleep 60) & echo child=$!; exit 0');
  const child = await numberOf(running, 'child');
  const lease = await bed.locker.acquire(key, { wait: '20s' });
  expect(isAlive(child)).toBe(false);
  await lease.release();
  expect((await running.answer).code).toBe(0);
});

test('revoked with a grace, it tells the whole group to end, kills what does not, and then the key is free', async () => {
  const running = run([], 'trap "" TERM; echo group=$$; sh -c "sleep 60" & sleep 60');
  const group = await numberOf(running, 'group');
  const next = bed.locker.acquire(key, { wait: '20s' });
  await until(async () => (await bed.locker.inspect(key))?.waiters === 1);
  await bed.locker.revoke(key, (await holder())!.fence, { grace: '2s' });
  await next;
  expect(isAlive(-group)).toBe(false);
  expect(await running.answer).toMatchObject({ code: 79, stderr: expect.stringContaining('it was revoked') });
  await (await next).release();
});

test('revoked without a grace, it kills at once', async () => {
  const running = run([], 'trap "" TERM; echo group=$$; sleep 60');
  const group = await numberOf(running, 'group');
  await bed.locker.revoke(key, (await holder())!.fence);
  expect((await running.answer).code).toBe(79);
  expect(isAlive(-group)).toBe(false);
});

test('when the backend is silent the group is dead before the lease ends', async () => {
  const file = join(dir, 'beats');
  // Moved, for a beat that is killed in the middle would be empty.
  const beat = `date +%s%N > ${file}.new; mv ${file}.new ${file}`;
  const script = `trap "" TERM; echo group=$$; while :; do ${beat}; sleep 0.02; done`;
  const running = run(['--ttl', '4s'], script);
  const group = await numberOf(running, 'group');
  await sleep(500);
  // A pause, for a server that forgets would give the key to another at once.
  bed.server.pause();
  const paused = Date.now();
  try {
    expect(await running.answer).toMatchObject({ code: 79 });
    const last = Number(await readFile(file, 'utf8')) / 1e6 - paused;
    expect(last).toBeLessThan(4_000);
    expect(last).toBeGreaterThan(1_000);
    expect(isAlive(-group)).toBe(false);
  } finally {
    bed.server.resume();
  }
});

test('when latchkey is killed the command is ended at once, and dead before the lease ends', async () => {
  const running = run(
    ['--ttl', '4s'],
    'trap "echo told; exit" TERM; echo group=$$; while :; do sleep 0.05; done',
  );
  const group = await numberOf(running, 'group');
  running.child.kill('SIGKILL');
  await running.wrote(/told/);
  await until(() => !isAlive(-group));
  expect((await holder())?.ttl).toBeGreaterThan(0);
});

test('when latchkey is killed and the command ignores SIGTERM, it is killed before the key is free', async () => {
  const running = run(['--ttl', '3s'], 'trap "" TERM; echo group=$$; sleep 60 & sleep 60');
  const group = await numberOf(running, 'group');
  running.child.kill('SIGKILL');
  const lease = await bed.locker.acquire(key, { wait: '20s' });
  expect(isAlive(-group)).toBe(false);
  await lease.release();
});

test('when latchkey is stopped the command is dead before the lease ends', async () => {
  const running = run(['--ttl', '3s'], 'trap "" TERM; echo group=$$; sleep 60');
  const group = await numberOf(running, 'group');
  running.child.kill('SIGSTOP');
  const lease = await bed.locker.acquire(key, { wait: '20s' });
  expect(isAlive(-group)).toBe(false);
  running.child.kill('SIGCONT');
  expect((await running.answer).code).toBe(79);
  expect(lease.held).toBe(true);
  await lease.release();
});

test('when the guard is killed the command is killed, and the key is free', async () => {
  const running = run([], 'echo guard=$PPID; echo group=$$; sleep 60');
  const guard = await numberOf(running, 'guard');
  const group = await numberOf(running, 'group');
  expect(guard).not.toBe(running.pid);
  process.kill(guard, 'SIGKILL');
  expect(await running.answer).toMatchObject({ code: 70, stderr: expect.stringContaining('guard') });
  await until(() => !isAlive(-group));
  expect(await holder()).toBeUndefined();
});

// CI takes fifty, for each costs half a second of a processor; LATCHKEY_RUNS=200 takes them all.
const RUNS = Number(process.env.LATCHKEY_RUNS ?? 50);

test(`${RUNS} runs of one key, six at a time, never overlap`, async () => {
  const place = join(dir, 'alone');
  const log = join(dir, 'fences');
  // mkdir fails where another is inside.
  const script = `mkdir ${place} || exit 9; echo $LATCHKEY_FENCE >> ${log}; sleep 0.01; rmdir ${place}`;
  const codes: (number | null)[] = [];
  let left = RUNS;
  await Promise.all(
    Array.from({ length: 6 }, async () => {
      while (left-- > 0) codes.push((await run(['--wait', '5m'], script).answer).code);
    }),
  );
  expect(codes).toEqual(Array(RUNS).fill(0));
  const fences = (await readFile(log, 'utf8')).trim().split('\n').map(Number);
  expect(fences).toHaveLength(RUNS);
  expect(fences).toEqual([...new Set(fences)].sort((a, b) => a - b));
}, 900_000);
