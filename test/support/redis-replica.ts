import { type RedisServer, type StartRedisOptions, startRedis } from './redis-server.js';
import { until } from './wait.js';

/** Starts a replica of `primary`; resolves when it has everything the primary has. */
export async function startReplica(
  primary: RedisServer,
  options: StartRedisOptions = {},
): Promise<RedisServer> {
  // A primary waits 5 s for more replicas before it sends its data, by default.
  await primary.ask((client) => client.config('SET', 'repl-diskless-sync-delay', '0'));
  const { password } = primary.options;
  const replica = await startRedis({ ...(password ? { password } : {}), ...options });
  await resumeReplication(replica, primary);
  return replica;
}

/** Cuts `replica` off its primary: it keeps what it has, and answers, but gets no later write. */
export async function blockReplication(replica: RedisServer): Promise<void> {
  // Nobody listens on port 1. A paused process would not do: it applies what its socket holds when it wakes.
  await replica.ask((client) => client.replicaof('127.0.0.1', 1));
}

/** Makes `replica` follow `primary` (again); resolves when it is in sync. */
export async function resumeReplication(replica: RedisServer, primary: RedisServer): Promise<void> {
  await replica.ask((client) => client.replicaof('127.0.0.1', primary.port));
  await inSync(replica, primary);
}

/** Makes a replica a primary, with what it has. */
export async function promote(replica: RedisServer): Promise<void> {
  await replica.ask((client) => client.replicaof('NO', 'ONE'));
}

/** Resolves when `replica` has every write `primary` has acknowledged by now. */
export async function inSync(replica: RedisServer, primary: RedisServer): Promise<void> {
  const target = await offset(primary, 'master_repl_offset');
  await until(
    async () => {
      const info = await replica.ask((client) => client.info('replication'));
      return (
        info.includes(`master_port:${primary.port}\r\n`) &&
        info.includes('master_link_status:up') &&
        (await offset(replica, 'slave_repl_offset')) >= target
      );
    },
    20_000,
    `replica ${replica.port} in sync with ${primary.port}`,
  );
}

async function offset(server: RedisServer, field: string): Promise<number> {
  const info = await server.ask((client) => client.info('replication'));
  return Number(new RegExp(`^${field}:(\\d+)`, 'm').exec(info)?.[1] ?? -1);
}
