import { type Check, error, ok, warning } from './check.js';
import type { Server } from './redis-client.js';

const PINGS = 5;
const SLOW_MS = 20;
const FAR_APART_MS = 1_000;

/** How one server is set up, and how far away it is. */
export async function examineServer(server: Server): Promise<Check[]> {
  const reach = await checkReach(server);
  if (reach.verdict === 'error') return [reach];
  const info = String(await server.call('INFO').catch(() => ''));
  return [reach, ...checkInfo(info), await checkClock(server)];
}

async function checkReach(server: Server): Promise<Check> {
  const times: number[] = [];
  for (let i = 0; i < PINGS; i++) {
    const sent = performance.now();
    try {
      await server.call('PING');
    } catch (fault) {
      // Not allowed is an answer too.
      if (!isRefusal(fault)) return error('reach', (fault as Error).message, 'start it, or see its log');
    }
    times.push(performance.now() - sent);
  }
  const median = times.sort((a, b) => a - b)[Math.floor(PINGS / 2)]!;
  const found = `answers in ${median.toFixed(1)} ms`;
  if (median < SLOW_MS) return ok('reach', found);
  return warning('reach', found, 'every acquisition and hand-over takes that long: run nearer to it');
}

const isRefusal = (fault: unknown) => (fault as Error).name === 'ReplyError';

function checkInfo(info: string): Check[] {
  if (info === '')
    return [
      warning('server', 'INFO is not allowed', 'allow +info, to have version, role and eviction checked'),
    ];
  const field = (name: string) => new RegExp(`^${name}:(.*?)\r?$`, 'm').exec(info)?.[1] ?? '';
  const version = field('redis_version');
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const recent = major > 6 || (major === 6 && minor >= 2);
  const policy = field('maxmemory_policy');
  const kept = field('aof_enabled') === '1';
  const replicas = Number(field('connected_slaves'));
  const waitsForReplicas = Number(field('min_slaves_good_slaves') || 0) > 0;
  return [
    recent ? ok('version', version) : error('version', version, 'use Redis 6.2 or later, or Valkey'),
    field('role') === 'master'
      ? ok('role', 'primary')
      : error('role', 'replica', 'give the address of the primary'),
    policy === 'noeviction'
      ? ok('eviction', policy)
      : warning(
          'eviction',
          policy,
          'locks may be evicted while they are held: CONFIG SET maxmemory-policy noeviction',
        ),
    kept
      ? ok('persistence', 'append-only file')
      : warning(
          'persistence',
          'no append-only file',
          'a restart frees every lock: CONFIG SET appendonly yes, with appendfsync always',
        ),
    replicas === 0 || waitsForReplicas
      ? ok('replicas', `${replicas}`)
      : warning(
          'replicas',
          `${replicas}, none waited for`,
          'a fail-over may free locks: set min-replicas-to-write, and check fences',
        ),
  ];
}

async function checkClock(server: Server): Promise<Check> {
  const sent = Date.now();
  const answer = await server.call('TIME').catch(() => undefined);
  if (!Array.isArray(answer)) return warning('clock', 'TIME is not allowed', 'allow +time');
  const there = Number(answer[0]) * 1_000 + Number(answer[1]) / 1_000;
  const offset = Math.round(there - (sent + Date.now()) / 2);
  const found = `the server is ${Math.abs(offset)} ms ${offset < 0 ? 'behind' : 'ahead'}`;
  if (Math.abs(offset) < FAR_APART_MS) return ok('clock', found);
  return warning(
    'clock',
    found,
    'locks do not mind, but the ages shown here are off: synchronize the clocks',
  );
}
