import type { LentClient, RedisOptions } from '../../drivers/redis/options.js';
import { type Check, error, ok, together, warning } from './check.js';
import { connectTo, type Sentinel, type Server } from './redis-client.js';
import { checkRights } from './rights.js';
import { examineServer } from './server.js';
import { examineStored } from './stored.js';

/** All that may be wrong with a Redis, or right: with every primary of a Cluster. @throws LockBackendError when it cannot be reached */
export async function examineRedis(redis: LentClient | RedisOptions, prefix: string): Promise<Check[]> {
  const { servers, cluster, sentinels, close } = await connectTo(redis);
  try {
    const each = await Promise.all(servers.map(examineServer));
    const answering = servers.filter((_, at) => each[at]!.length > 1);
    return [
      ...(cluster ? [await checkCluster(answering, servers.length)] : []),
      ...(sentinels ? [checkSentinels(await sentinels())] : []),
      ...together(each, servers),
      ...(await examineStored(answering, prefix)),
      ...together(await Promise.all(answering.map((server) => checkRights(server, prefix))), answering),
    ];
  } finally {
    close();
  }
}

async function checkCluster([server]: readonly Server[], primaries: number): Promise<Check> {
  const found = `${primaries} primaries`;
  if (!server) return error('cluster', found, 'none of them answers');
  const info = await server.call('CLUSTER', 'INFO').then(String, () => undefined);
  if (info === undefined)
    return warning('cluster', `${found}; CLUSTER INFO is not allowed`, 'allow +cluster|info');
  if (info.includes('cluster_state:ok')) return ok('cluster', `${found}, all slots are served`);
  return error('cluster', `${found}, and slots that nobody serves`, 'see `redis-cli --cluster check`');
}

function checkSentinels(sentinels: readonly Sentinel[]): Check {
  const answering = sentinels.filter(({ primary }) => primary !== undefined);
  const named = new Set(answering.map(({ primary }) => primary));
  const found = `${answering.length} of ${sentinels.length} answer`;
  if (named.size > 1)
    return error(
      'sentinels',
      `they name ${named.size} primaries`,
      'wait for the fail-over to end, and look again',
    );
  if (answering.length === sentinels.length) return ok('sentinels', found);
  const silent = sentinels.filter(({ primary }) => primary === undefined).map(({ address }) => address);
  return warning('sentinels', found, `start those that do not: ${silent.join(', ')}`);
}
