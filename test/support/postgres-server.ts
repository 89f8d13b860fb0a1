import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { exitOf } from './orphans.js';
import { freePort } from './port.js';
import { children, initialise, launch, own, signalAll } from './postgres-process.js';
import { sleep, until } from './wait.js';

const PASSWORD = 'not-to-be-shown';

/** One real server of our own on 127.0.0.1. It dies with the test process, paused or not. */
export class PostgresServer {
  #child: ChildProcess | undefined;
  readonly #clients: pg.Client[] = [];

  /** Use `startPostgres`. */
  constructor(
    readonly port: number,
    readonly dir: string,
    readonly settings: readonly string[],
  ) {}

  get password(): string {
    return PASSWORD;
  }

  /** For the superuser; or another role with the same password, or another database. */
  url({ user = 'postgres', database = 'postgres', port = this.port } = {}): string {
    return `postgres://${user}:${PASSWORD}@127.0.0.1:${port}/${database}`;
  }

  /** After its files were changed from outside. */
  own(): Promise<void> {
    return own(this.dir);
  }

  async start(): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        this.#child = await launch(this.port, this.dir, this.settings);
        return;
      } catch (error) {
        // Sessions of the one that was killed may still hold its memory.
        if (tries === 20 || !/in use|lock file/.test(`${error}`)) throw error;
        await sleep(100);
      }
    }
  }

  /** Ends it at once, and closes every client of `client()`. Idempotent. */
  async stop(): Promise<void> {
    await Promise.all(this.#clients.splice(0).map((client) => client.end().catch(() => {})));
    await this.kill();
    await rm(this.dir, { recursive: true, force: true });
  }

  /** SIGKILL to it and all its sessions; resolves when they are gone. What was committed is there after `start`. */
  async kill(): Promise<void> {
    const child = this.#child;
    // The number of one that has ended may be another process's by now.
    this.#child = undefined;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const sessions = children(child.pid);
    signalAll(child.pid, 'SIGKILL');
    await exitOf(child);
    await until(() => sessions.every((pid) => !lives(pid)), 10_000, 'the sessions to be gone');
  }

  /** Has it end by itself: `fast` after it has ended its sessions well, `immediate` without. */
  async shutdown(how: 'fast' | 'immediate'): Promise<void> {
    const child = this.#child;
    if (!child) return;
    this.signal(how === 'fast' ? 'SIGINT' : 'SIGQUIT');
    this.#child = undefined;
    await exitOf(child);
  }

  /** To it alone, not to its sessions. */
  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  /** Stops it and its sessions without closing anything: nothing answers. */
  pause(): void {
    if (this.#child?.pid !== undefined) signalAll(this.#child.pid, 'SIGSTOP');
  }

  resume(): void {
    if (this.#child?.pid !== undefined) signalAll(this.#child.pid, 'SIGCONT');
  }

  /** A plain client for a test's own questions; closed at `stop`. */
  async client(options: pg.ClientConfig = {}): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: this.url(), application_name: 'test', ...options });
    client.on('error', () => {});
    await client.connect();
    this.#clients.push(client);
    return client;
  }

  /** Asks over a connection of its own. */
  async ask<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    const client = new pg.Client({ connectionString: this.url(), application_name: 'test' });
    // What is asked rejects by itself.
    client.on('error', () => {});
    await client.connect();
    try {
      return (await client.query<Row>(text, values)).rows;
    } finally {
      await client.end();
    }
  }
}

/** Starts a server; `settings` are lines of postgresql.conf. */
export async function startPostgres(settings: readonly string[] = []): Promise<PostgresServer> {
  const dir = await mkdtemp(join(tmpdir(), 'latchkey-postgres-'));
  const server = new PostgresServer(await freePort(), dir, settings);
  try {
    await initialise(dir, PASSWORD);
    await server.start();
    return server;
  } catch (error) {
    await server.stop();
    throw error;
  }
}

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
