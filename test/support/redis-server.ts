import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { exitOf } from './orphans.js';
import { freePort } from './port.js';
import { ask, connect, launch, type StartRedisOptions } from './redis-process.js';
import { sleep } from './wait.js';

export type { StartRedisOptions } from './redis-process.js';

/** One real server of our own on 127.0.0.1. It dies with the test process, paused or not. */
export class RedisServer {
  #port: number;
  #child: ChildProcess | undefined;
  readonly #clients: Redis[] = [];

  /** Use `startRedis`. */
  constructor(
    port: number,
    readonly dir: string,
    readonly options: StartRedisOptions,
  ) {
    this.#port = port;
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    const { password } = this.options;
    return `redis://${password ? `:${encodeURIComponent(password)}@` : ''}127.0.0.1:${this.port}`;
  }

  /** Of the process that runs now, or ran last; another one after `restart`. */
  get pid(): number {
    return this.#child?.pid ?? -1;
  }

  /** Starts it, after `kill` on the same port; resolves when it answers. */
  async start(): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        this.#child = await launch(this.port, this.dir, this.options);
        return;
      } catch (error) {
        if (tries === 10 || !`${error}`.includes('Address already in use')) throw error;
        await sleep(100);
        const mayMove = !this.#child && !this.options.port;
        if (mayMove) this.#port = await freePort();
      }
    }
  }

  /** Ends it and closes every client of `client()`. Idempotent. */
  async stop(): Promise<void> {
    for (const client of this.#clients.splice(0)) client.disconnect();
    await this.kill();
    if (!this.options.dir) await rm(this.dir, { recursive: true, force: true });
  }

  /** SIGKILL; resolves when the process is gone. */
  async kill(): Promise<void> {
    if (!this.#child) return;
    this.#child.kill('SIGKILL');
    await exitOf(this.#child);
  }

  /** Kills it if it runs and starts it on the same port: empty, unless `persist`. */
  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  /** Stops it without closing anything: connections stay open, new ones are accepted, nothing answers. */
  pause(): void {
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  /** A new plain client for a test's own questions, which reconnects at once; closed at `stop`. */
  client(): Redis {
    const client = connect(this.port, this.options.password, { retryStrategy: () => 50 });
    this.#clients.push(client);
    return client;
  }

  /**
   * Calls by command since the start or `resetStats`, those made inside scripts included;
   * subcommands read `client|setname`. `info` and `config`, which this helper sends, are left out.
   */
  async commandStats(): Promise<Record<string, number>> {
    const info = await this.ask((client) => client.info('commandstats'));
    const lines = info.matchAll(/^cmdstat_(?!info|config)(\S+?):calls=(\d+)/gm);
    return Object.fromEntries([...lines].map(([, command, calls]) => [command, Number(calls)]));
  }

  async resetStats(): Promise<void> {
    await this.ask((client) => client.config('RESETSTAT'));
  }

  /** Asks over a connection of its own, which leaves no trace but the command itself and one `info`. */
  ask<T>(question: (client: Redis) => Promise<T>): Promise<T> {
    return ask(this.port, this.options.password, question);
  }
}

/** Starts a server; resolves when it answers. Nothing is saved unless `persist`. */
export async function startRedis(options: StartRedisOptions = {}): Promise<RedisServer> {
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'latchkey-redis-')));
  const server = new RedisServer(options.port ?? (await freePort()), dir, options);
  try {
    await server.start();
    return server;
  } catch (error) {
    await server.stop();
    throw error;
  }
}
