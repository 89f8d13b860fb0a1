import type { LentClient, RedisOptions } from '../../drivers/redis/options.js';
import { type Check, error, ok, warning } from './check.js';
import { connectTo, type Server } from './redis-client.js';
import { checkRights } from './rights.js';

// How many keys under the prefix are looked at.
const LOOKED_AT = 10_000;
const PINGS = 5;
const SLOW_MS = 20;
const FAR_APART_MS = 1_000;
// What is stored bears it: state.lua.
const FORMAT = '2';

/** All that may be wrong with a Redis, or right. @throws LockBackendError when it cannot be reached */
export async function examineRedis(redis: LentClient | RedisOptions, prefix: string): Promise<Check[]> {
  const server = await connectTo(redis);
  try {
    const info = String(await server.call('INFO').catch(() => ''));
    const checks = [await checkLatency(server), ...checkInfo(info), await checkClock(server)];
    if (server.cluster)
      checks.push(warning('cluster', 'one node was examined', 'examine each by its own address'));
    return [...checks, ...(await checkKeys(server, prefix)), ...(await checkRights(server, prefix))];
  } finally {
    server.close();
  }
}

async function checkLatency(server: Server): Promise<Check> {
  const times: number[] = [];
  for (let i = 0; i < PINGS; i++) {
    const sent = performance.now();
    // Not allowed is an answer too.
    await server.call('PING').catch(() => {});
    times.push(performance.now() - sent);
  }
  const median = times.sort((a, b) => a - b)[Math.floor(PINGS / 2)]!;
  const found = `answers in ${median.toFixed(1)} ms`;
  if (median < SLOW_MS) return ok('reach', found);
  return warning('reach', found, 'every acquisition and hand-over takes that long: run nearer to it');
}

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

async function checkKeys(server: Server, prefix: string): Promise<Check[]> {
  const pattern = `${prefix.replace(/[\\*?[\]]/g, '\\$&')}{*`;
  let cursor = '0';
  let seen = 0;
  let lasting = 0;
  const foreign = new Set<string>();
  try {
    do {
      const [next, keys] = (await server.call(
        'SCAN',
        cursor,
        'MATCH',
        pattern,
        'COUNT',
        '500',
        'TYPE',
        'hash',
      )) as [string, string[]];
      cursor = String(next);
      const script = "local e = redis.call('PTTL', KEYS[1]) return {e, redis.call('HGET', KEYS[1], 'v')}";
      for (const key of keys) {
        const [left, version] = (await server.call('EVAL', script, '1', key)) as [number, string | null];
        seen++;
        if (left === -1) lasting++;
        if (left !== -2 && version !== FORMAT) foreign.add(version ?? 'none');
      }
    } while (cursor !== '0' && seen < LOOKED_AT);
  } catch (fault) {
    return [
      warning(
        'stored',
        `not looked at: ${(fault as Error).message.slice(0, 80)}`,
        'allow +scan, +pttl and +hget to have it checked',
      ),
    ];
  }
  const found = `${seen} locks${cursor === '0' ? '' : ', and more'}`;
  return [
    lasting === 0
      ? ok('expiry', `${found}, all expire`)
      : warning(
          'expiry',
          `${lasting} of ${found} never expire`,
          'something else writes under the prefix: use another prefix',
        ),
    foreign.size === 0
      ? ok('format', `all of version ${FORMAT}`)
      : error(
          'format',
          `also ${[...foreign].join(', ')}`,
          'two releases that do not understand each other share the prefix: give one another prefix',
        ),
  ];
}
