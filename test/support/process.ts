import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { dieWithUs } from './orphans.js';
import { deferred, until } from './wait.js';

const root = join(import.meta.dirname, '../..');

// A line of JSON each way: `send(message)`, and `received` to loop over what the test sends.
const prelude = `
  import { createInterface as __lines } from 'node:readline';
  const send = (message) => process.stdout.write(JSON.stringify(message) + '\\n');
  const received = { async *[Symbol.asyncIterator]() {
    for await (const line of __lines({ input: process.stdin })) yield JSON.parse(line);
  } };
`;

/** A message of a worker: whatever JSON object it sent. */
export type Message = Record<string, unknown>;

export interface Worker {
  readonly pid: number;
  /** All that arrived so far. */
  readonly messages: readonly Message[];
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** What it wrote to stderr so far. */
  stderr(): string;
  /** The first message, of the past ones too, that satisfies `predicate`. Rejects if it exits without. */
  waitFor(predicate: (message: Message) => boolean, timeoutMs?: number): Promise<Message>;
  /** Writes `message` as a line of JSON to its stdin. */
  send(message: unknown): void;
  kill(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT' | 'SIGTERM' | 'SIGINT'): void;
}

/**
 * Runs ESM source in a node process of its own, where `latchkey` is the package built in `dist/`, `send(object)`
 * reports to the test and `received` is an async iterable of what the test sends. It dies with the test process.
 */
export function runSource(source: string, env: Readonly<Record<string, string>> = {}): Worker {
  return run(['--input-type=module', '--eval', prelude + source], env);
}

/** Runs `workers/<file>`; it prints its messages itself, one line of JSON each. */
export function runWorker(
  file: string,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Worker {
  return run([join(import.meta.dirname, 'workers', file), ...args], env);
}

function run(args: readonly string[], env: Readonly<Record<string, string>>): Worker {
  const child = spawn(process.execPath, args, {
    // From here `latchkey` resolves to the package itself, by its own `exports`.
    cwd: root,
    // NODE_OPTIONS may be meant for jest alone.
    env: { ...process.env, NODE_OPTIONS: '', ...env },
  });
  dieWithUs(child);
  const messages: Message[] = [];
  let errors = '';
  createInterface({ input: child.stdout }).on('line', (line) => messages.push(JSON.parse(line) as Message));
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  // EPIPE of a worker that is gone: `exited` tells.
  child.stdin.on('error', () => {});

  const exit = deferred<{ code: number | null; signal: NodeJS.Signals | null }>();
  let ended: string | undefined;
  // 'close', not 'exit': its last lines have been read by then.
  child.once('close', (code, signal) => {
    ended = `${signal ?? code}`;
    exit.resolve({ code, signal });
  });

  return {
    pid: child.pid ?? -1,
    messages,
    exited: exit.promise,
    stderr: () => errors,
    async waitFor(predicate, timeoutMs = 20_000) {
      const found = await until(
        () => messages.find(predicate) ?? ended,
        timeoutMs,
        `${predicate}\n${errors}`,
      );
      if (typeof found === 'object') return found;
      throw new Error(`the worker ended (${found}) before: ${predicate}\n${errors}`);
    },
    send: (message) => void child.stdin.write(`${JSON.stringify(message)}\n`),
    kill: (signal) => void child.kill(signal),
  };
}
