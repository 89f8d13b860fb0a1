import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './port.js';
import { PostgresServer } from './postgres-server.js';
import { until } from './wait.js';

/** The name by which a primary knows the standby, as in `synchronous_standby_names`. */
export const MIRROR = 'mirror';

// What a server must not start with that another one has written.
const LEFT_OUT = ['pg_wal', 'postmaster.pid', 'postmaster.opts', 'pg_replslot', 'postgresql.auto.conf'];

/**
 * A server with the data of `primary`, which goes on meanwhile; it follows it, as `mirror`, over `port`, and has caught up
 * when this resolves.
 */
export async function startStandby(primary: PostgresServer, port = primary.port): Promise<PostgresServer> {
  const dir = await mkdtemp(join(tmpdir(), 'latchkey-postgres-'));
  const standby = new PostgresServer(await freePort(), dir, primary.settings);
  try {
    await copyData(primary, join(dir, 'data'));
    const conninfo = `host=127.0.0.1 port=${port} user=postgres password=${primary.password} application_name=${MIRROR}`;
    await writeFile(join(dir, 'data/postgresql.auto.conf'), `primary_conninfo = '${conninfo}'\n`);
    await writeFile(join(dir, 'data/standby.signal'), '');
    await standby.own();
    await standby.start();
    await until(() => follows(primary), 20_000, 'the standby to follow');
    return standby;
  } catch (error) {
    await standby.stop();
    throw error;
  }
}

async function follows(primary: PostgresServer): Promise<boolean> {
  const rows = await primary.ask(
    `SELECT FROM pg_stat_replication WHERE application_name = '${MIRROR}' AND state = 'streaming'`,
  );
  return rows.length === 1;
}

/** A base backup: the session that begins it also ends it. */
async function copyData(primary: PostgresServer, to: string): Promise<void> {
  const backup = await primary.client({ options: '-c statement_timeout=0 -c synchronous_commit=local' });
  await backup.query(`SELECT pg_backup_start('standby', true)`);
  // Files that vanish meanwhile are in the log.
  spawnSync('cp', ['-a', join(primary.dir, 'data'), to]);
  const { rows } = await backup.query<{ labelfile: string }>('SELECT labelfile FROM pg_backup_stop(false)');
  await backup.end();
  for (const name of LEFT_OUT) await rm(join(to, name), { recursive: true, force: true });
  for (const name of ['pg_wal', 'pg_replslot']) await mkdir(join(to, name), { mode: 0o700 });
  await writeFile(join(to, 'backup_label'), rows[0]!.labelfile);
}
