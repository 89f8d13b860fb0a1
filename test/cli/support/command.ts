import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import { dieWithUs } from '../../support/orphans.js';
import { outputOf } from '../../support/output.js';
import { until } from '../../support/wait.js';

// On a busy machine a process may take ten seconds to start, and these tests start several.
const PATIENCE = 60_000;
jest.setTimeout(3 * PATIENCE);

const root = join(import.meta.dirname, '../../..');
const main = join(root, 'dist/cli/main.js');

export interface Answer {
  /** 128 and the number of the signal, where a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that runs. */
export interface Running {
  readonly pid: number;
  readonly child: ChildProcess;
  readonly answer: Promise<Answer>;
  stdout(): string;
  stderr(): string;
  /** Resolves once it has written what matches. */
  wrote(pattern: RegExp): Promise<RegExpExecArray>;
}

export type Env = Readonly<Record<string, string>>;

/** The variables of a service whose locks are in that Redis. */
export const redisEnv = (url: string): Env => ({ LOCK_PROVIDER: 'redis', LOCK_REDIS_URL: url });

/** Starts `latchkey`, as built in `dist/`, with pipes. */
export function start(args: readonly string[], env: Env = {}): Running {
  return watch(process.execPath, [main, ...args], env);
}

/** Runs `latchkey` to its end. */
export function latchkey(args: readonly string[], env: Env = {}): Promise<Answer> {
  return start(args, env).answer;
}

/** Starts `latchkey` in a pseudo-terminal of that many columns; what is written to its stdin is typed. */
export function startInTerminal(args: readonly string[], env: Env, columns: number): Running {
  const words = [process.execPath, main, ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`);
  const line = `stty cols ${columns} rows 30; exec ${words.join(' ')}`;
  return watch('script', ['-qefc', line, '/dev/null'], { SHELL: '/bin/sh', TERM: 'xterm', ...env });
}

const running = new Set<ChildProcess>();

/** Ends what a test that failed left running: it would keep the test process alive. */
export function killAll(): void {
  for (const child of running) {
    for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.destroy();
    child.kill('SIGKILL');
  }
}

function watch(command: string, args: readonly string[], env: Env): Running {
  // CI and the like decide about colours, too.
  const {
    LOCK_PROVIDER: _,
    LOCK_REDIS_URL: __,
    NO_COLOR: ___,
    CI: ____,
    FORCE_COLOR: _____,
    ...rest
  } = process.env;
  const child = spawn(command, args, { cwd: root, env: { ...rest, NODE_OPTIONS: '', ...env } });
  dieWithUs(child);
  running.add(child);
  child.once('close', () => running.delete(child));
  const { stdout, stderr } = outputOf(child);
  child.stdin.on('error', () => {});
  const answer = new Promise<Answer>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal, stdout: stdout(), stderr: stderr() }));
  });
  return {
    pid: child.pid!,
    child,
    answer,
    stdout,
    stderr,
    wrote: (pattern) =>
      until(() => pattern.exec(stdout()), PATIENCE, `${pattern} in ${command} ${args.join(' ')}`).catch(
        (error) => {
          throw new Error(`${error.message}\n${stdout()}\n${stderr()}`);
        },
      ),
  };
}

/** Whether a process, or with a negative number any of a group, runs: one that waits to be collected has ended. */
export function isAlive(pid: number): boolean {
  const list = execFileSync('ps', ['-eo', 'pid=,pgid=,stat='], { encoding: 'utf8' });
  const processes = list
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/));
  return processes.some(
    ([id, group, state]) =>
      (pid < 0 ? Number(group) === -pid : Number(id) === pid) && !state!.startsWith('Z'),
  );
}
