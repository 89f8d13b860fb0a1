import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startRedis } from '../support/redis-server.js';
import { sleep } from '../support/wait.js';

// How long a server that works may take to start.
const PATIENCE_MS = 3_000;

const LIBRARIES = [
  '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1',
  '/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1',
  '/usr/lib/faketime/libfaketime.so.1',
  '/usr/local/lib/faketime/libfaketime.so.1',
];

/** The clock of a server that runs under libfaketime. */
export class ServerClock {
  private constructor(
    readonly dir: string,
    readonly env: Readonly<Record<string, string>>,
  ) {}

  /** Undefined where libfaketime is missing, or does not get on with the server. */
  static async probe(): Promise<ServerClock | undefined> {
    const library = LIBRARIES.find((path) => existsSync(path));
    if (!library) return undefined;
    const dir = await mkdtemp(join(tmpdir(), 'latchkey-clock-'));
    const clock = new ServerClock(dir, {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: join(dir, 'offset'),
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    });
    await clock.step(0);
    // With jemalloc the server crashes or hangs, and is killed then.
    const works = await Promise.race([clock.#works().catch(() => false), sleep(PATIENCE_MS)]);
    if (works) return clock;
    await clock.remove();
    return undefined;
  }

  async #works(): Promise<boolean> {
    const server = await startRedis({ env: this.env });
    try {
      const before = await server.ask((client) => client.time());
      await this.step(60_000);
      const after = await server.ask((client) => client.time());
      await this.step(0);
      return Number(after[0]) - Number(before[0]) > 30;
    } finally {
      await server.stop();
    }
  }

  /** Sets it `ms` off. */
  step(ms: number): Promise<void> {
    return writeFile(join(this.dir, 'offset'), `${ms < 0 ? '-' : '+'}${Math.abs(ms) / 1_000}s\n`);
  }

  remove(): Promise<void> {
    return rm(this.dir, { recursive: true, force: true });
  }
}
