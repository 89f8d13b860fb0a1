import { type ChildProcess, spawn } from 'node:child_process';
import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { dieWithUs } from './orphans.js';
import { redisBinary } from './redis-binary.js';
import { sleep } from './wait.js';

export interface StartRedisOptions {
  /** Default: a free one. */
  port?: number;
  /** More of redis-server's own arguments; they win over ours. */
  args?: readonly string[];
  /** Lines of a configuration file, for what arguments cannot say. */
  config?: readonly string[];
  /** Where its files go. Default: a new temporary folder, removed at `stop`. */
  dir?: string;
  /** Keep every acknowledged write over `kill` and `restart`. Default: false. */
  persist?: boolean;
  password?: string;
  /** Added to this process's environment, e.g. LD_PRELOAD. */
  env?: Readonly<Record<string, string>>;
}

/** Runs a server; resolves when it answers, rejects with its log when it does not. It dies with us. */
export async function launch(port: number, dir: string, options: StartRedisOptions): Promise<ChildProcess> {
  const { args = [], config, persist = false, password, env } = options;
  const file = join(dir, 'redis.conf');
  // Only the first time: a sentinel keeps its state in this file.
  if (config) await writeFile(file, `${config.join('\n')}\n`, { flag: 'wx' }).catch(() => {});
  const log = join(dir, 'redis.log');
  const output = await open(log, 'w');
  const child = spawn(
    redisBinary(),
    [
      ...(config ? [file] : []),
      ...['--port', `${port}`, '--bind', '127.0.0.1', '--dir', dir],
      ...['--save', '', '--appendonly', persist ? 'yes' : 'no', '--appendfsync', 'always'],
      ...(password ? ['--requirepass', password, '--masterauth', password] : []),
      ...args,
    ],
    { stdio: ['ignore', output.fd, output.fd], env: { ...process.env, ...env } },
  );
  dieWithUs(child);
  await output.close();
  const deadline = performance.now() + 20_000;
  while (!(await answers(child, port, password))) {
    const ended = child.exitCode !== null || child.signalCode !== null;
    if (ended || performance.now() > deadline) {
      child.kill('SIGKILL');
      throw new Error(`redis-server did not start:\n${await readFile(log, 'utf8')}`);
    }
    await sleep(10);
  }
  return child;
}

/** Asks over a connection of its own, which leaves no trace but the command itself and one `info`. */
export async function ask<T>(
  port: number,
  password: string | undefined,
  question: (client: Redis) => Promise<T>,
): Promise<T> {
  const client = connect(port, password, {
    retryStrategy: () => null,
    protocol: 2,
    disableClientInfo: true,
  });
  try {
    return await question(client);
  } finally {
    client.disconnect();
  }
}

/** A plain client that takes faults in silence: servers are killed on purpose here. */
export function connect(
  port: number,
  password: string | undefined,
  options: { retryStrategy: () => number | null; protocol?: 2; disableClientInfo?: true },
): Redis {
  const client = new Redis(port, '127.0.0.1', {
    ...options,
    ...(password ? { password } : {}),
    // ioredis leaves a timer of this length behind when it disconnects from what is closed already.
    disconnectTimeout: 0,
  });
  client.on('error', () => {});
  return client;
}

// PONG is not enough: whoever took the port before us would say it too.
async function answers(child: ChildProcess, port: number, password: string | undefined): Promise<boolean> {
  const info = await ask(port, password, (client) => client.info('server')).catch(() => '');
  return info.includes(`process_id:${child.pid}\r\n`);
}
