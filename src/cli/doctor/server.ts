import { type Check, error, ok, warning } from './check.js';
import { latencyOf, offsetOf } from './measures.js';
import type { Server } from './redis-client.js';

/** How one server is set up, and how far away it is. */
export async function examineServer(server: Server): Promise<Check[]> {
  const reach = await checkReach(server);
  if (reach.verdict === 'error') return [reach];
  const info = String(await server.call('INFO').catch(() => ''));
  return [reach, ...checkInfo(info), await checkClock(server)];
}

function checkReach(server: Server): Promise<Check> {
  const ping = () =>
    server.call('PING').catch((fault: Error) => {
      // Not allowed is an answer too.
      if (!isRefusal(fault)) throw fault;
    });
  return latencyOf(ping).catch((fault: Error) => error('reach', fault.message, 'start it, or see its log'));
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

function checkClock(server: Server): Promise<Check> {
  const timeThere = async () => {
    const [seconds, micros] = (await server.call('TIME')) as string[];
    return Number(seconds) * 1_000 + Number(micros) / 1_000;
  };
  return offsetOf(timeThere).catch(() => warning('clock', 'TIME is not allowed', 'allow +time'));
}
