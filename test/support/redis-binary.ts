import { execFileSync, spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

// Any of a manager's packages will do; which one exists depends on the distribution's age.
const installers: readonly (readonly [manager: string, command: string])[] = [
  [
    'apt-get',
    'apt-get update && DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 install -y --no-install-recommends redis-server',
  ],
  ['dnf', 'dnf install -y valkey || dnf install -y redis'],
  ['yum', 'yum install -y valkey || yum install -y redis'],
  ['apk', 'apk add --no-cache valkey || apk add --no-cache redis'],
  ['pacman', 'pacman -Sy --noconfirm valkey'],
  ['brew', 'brew install redis'],
];

/** The path of a Redis or Valkey server, at least 6.2. Throws with the command to run where there is none. */
export function redisBinary(): string {
  const found = find();
  if (!found) throw new Error(`no redis-server or valkey-server on PATH; ${advice()}`);
  assertVersion(found);
  return found;
}

/**
 * Installs a server with the system's package manager where none is found and we may: as root, or in CI
 * with a sudo that asks nothing. Call it from one process only; the others call `redisBinary`.
 */
export function ensureRedis(): string {
  const command = find() ? undefined : installer();
  const run = command && permitted(command);
  if (run) {
    // Its exit code says nothing: without a running init the package's service may fail to start,
    // and the binary is there all the same.
    spawnSync(run[0]!, run.slice(1), { stdio: ['ignore', 'inherit', 'inherit'], env: process.env });
  }
  return redisBinary();
}

function find(): string | undefined {
  const chosen = process.env.LATCHKEY_REDIS_SERVER;
  if (chosen) {
    if (!isExecutable(chosen)) throw new Error(`LATCHKEY_REDIS_SERVER: "${chosen}" cannot be run`);
    return chosen;
  }
  return onPath('redis-server') ?? onPath('valkey-server');
}

function onPath(name: string): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter).filter(Boolean);
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function installer(): string | undefined {
  return installers.find(([manager]) => onPath(manager))?.[1];
}

function permitted(command: string): string[] | undefined {
  const inCi = process.env.CI === 'true';
  if (command.startsWith('brew')) return inCi ? ['sh', '-c', command] : undefined;
  if (process.getuid?.() === 0) return ['sh', '-c', command];
  const sudoAsksNothing =
    inCi && spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore', env: process.env }).status === 0;
  return sudoAsksNothing ? ['sudo', '-n', 'sh', '-c', command] : undefined;
}

function advice(): string {
  const command = installer();
  if (!command) return 'install Redis 6.2 or later, or set LATCHKEY_REDIS_SERVER to its path';
  return `run: ${command.startsWith('brew') ? command : `sudo sh -c '${command}'`}`;
}

function assertVersion(path: string): void {
  const said = execFileSync(path, ['--version'], { encoding: 'utf8' });
  const [, major, minor] = /v=(\d+)\.(\d+)/.exec(said) ?? [];
  if (Number(major) > 6 || (Number(major) === 6 && Number(minor) >= 2)) return;
  throw new Error(
    `${path} is too old or unknown: expected 6.2 or later, got "${said.trim()}"; set LATCHKEY_REDIS_SERVER to a newer one`,
  );
}
