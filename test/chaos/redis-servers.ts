import type { TcpProxy } from '../support/proxy.js';
import type { RedisServer } from '../support/redis-server.js';
import { busyLocks } from '../support/stored-lock.js';
import { sleep } from '../support/wait.js';
import type { Fault } from './faults.js';
import { ALL_KEYS, LOCKERS } from './setting.js';
import type { Stored } from './topology.js';

/** The Redis servers of a topology. */
export interface RedisServers {
  /** Those that hold locks now. */
  primaries(): readonly RedisServer[];
  /** The one that holds the lock `name` now. */
  ownerOf(name: string): Promise<RedisServer>;
  /** Whether there is but one. */
  readonly whole: boolean;
  /** ms that one may be stopped for. */
  readonly longestStop: number;
}

export const natMapOf = (servers: readonly RedisServer[], proxies: readonly TcpProxy[]) =>
  Object.fromEntries(
    servers.map(({ port }, i) => [`127.0.0.1:${port}`, { host: '127.0.0.1', port: proxies[i]!.port }]),
  );

/** Faults that every topology of Redis has. */
export const redisFaults = ({ primaries, ownerOf, whole, longestStop }: RedisServers): Fault[] => [
  {
    kind: 'Redis stopped (SIGSTOP)',
    down: whole,
    strike: async ({ random }) => {
      const server = random.pick(primaries());
      server.pause();
      await sleep(random.between(100, longestStop));
      server.resume();
    },
  },
  {
    kind: 'CLIENT KILL of all',
    strike: async ({ random }) => {
      const server = random.pick(primaries());
      const sort = random.pick(['normal', 'pubsub']);
      await server.ask((client) => client.call('CLIENT', 'KILL', 'TYPE', sort, 'SKIPME', 'yes'));
    },
  },
  {
    kind: 'SCRIPT FLUSH',
    strike: async () => {
      for (const server of primaries()) await server.ask((client) => client.script('FLUSH'));
    },
  },
  {
    kind: 'fences as if the clock had been ahead',
    strike: async ({ random }) => {
      const name = random.pick(ALL_KEYS);
      const server = await ownerOf(name);
      const ms = random.between(500, 2_000);
      await server.ask((client) => client.eval(AHEAD, 1, name, ms * 1_000));
      // Were the data lost before the clock gets there, fences would go back: that is said in the guarantees.
      await sleep(ms + 200);
    },
  },
];

const AHEAD = `
local time = redis.call('TIME')
local ahead = time[1] * 1000000 + time[2] + ARGV[1]
if tonumber(redis.call('HGET', KEYS[1], 'f') or 0) < ahead then
  redis.call('HSET', KEYS[1], 'v', '2', 'f', string.format('%.0f', ahead))
  redis.call('PEXPIRE', KEYS[1], 86400000)
end
`;

export async function lookInto(servers: readonly RedisServer[]): Promise<Stored> {
  const looks = await Promise.all(servers.map(look));
  const busy = looks.flatMap((one) => one.busy);
  return { busy, idle: looks.reduce((sum, { keys }) => sum + keys, 0) - busy.length };
}

function look(server: RedisServer): Promise<{ busy: string[]; keys: number }> {
  return server.ask(async (client) => {
    const lockers = Object.keys(LOCKERS).map((locker) => `${locker}:*`);
    const locks = (await Promise.all(lockers.map((pattern) => busyLocks(client, pattern)))).flat();
    const channels = (await client.pubsub('CHANNELS', 'latchkey:*')) as string[];
    const keys = (await Promise.all(lockers.map((pattern) => client.keys(pattern)))).flat().length;
    return { busy: [...locks, ...channels], keys };
  });
}
