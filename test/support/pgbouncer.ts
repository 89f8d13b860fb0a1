import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dieWithUs, exitOf } from './orphans.js';
import { freePort } from './port.js';
import { postgresBinaries } from './postgres-process.js';
import type { PostgresServer } from './postgres-server.js';
import { until } from './wait.js';

const PATH = `${process.env.PATH ?? ''}:/usr/sbin:/usr/local/sbin`;
const INSTALL =
  'apt-get update && DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 install -y --no-install-recommends pgbouncer';

/** Whether there is a pgbouncer; one is installed where none is found and we may: as root with apt-get. */
export function hasBouncer(): boolean {
  if (found()) return true;
  const mayInstall = process.getuid?.() === 0 && spawnSync('apt-get', ['--version']).status === 0;
  if (mayInstall) spawnSync('sh', ['-c', INSTALL], { stdio: 'ignore' });
  return found();
}

const found = () => spawnSync('pgbouncer', ['--version'], { env: { ...process.env, PATH } }).status === 0;

export interface Bouncer {
  readonly url: string;
  stop(): Promise<void>;
}

/** A pooler in front of the server, with few connections to it. It dies with us. */
export async function startBouncer(
  server: PostgresServer,
  mode: 'transaction' | 'session',
  serverPort = server.port,
): Promise<Bouncer> {
  const dir = await mkdtemp(join(tmpdir(), 'latchkey-pgbouncer-'));
  const { as } = await postgresBinaries();
  const port = await freePort();
  const files = {
    'users.txt': `"postgres" "${server.password}"\n`,
    'pgbouncer.ini': `[databases]
* = host=127.0.0.1 port=${serverPort}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = trust
auth_file = ${join(dir, 'users.txt')}
pool_mode = ${mode}
default_pool_size = 6
server_login_retry = 1
`,
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text);
  if (as.uid !== undefined) {
    await chown(dir, as.uid, as.gid!);
    execFileSync('chown', ['-R', `${as.uid}:${as.gid}`, dir]);
  }
  const child = spawn('pgbouncer', [join(dir, 'pgbouncer.ini')], {
    ...as,
    env: { ...process.env, PATH },
    stdio: 'ignore',
  });
  dieWithUs(child);
  await until(() => answers(port), 10_000, 'pgbouncer to listen');
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    async stop() {
      child.kill('SIGKILL');
      await exitOf(child);
      await rm(dir, { recursive: true, force: true });
    },
  };
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(port, '127.0.0.1', () => resolve(true));
    socket.on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}
