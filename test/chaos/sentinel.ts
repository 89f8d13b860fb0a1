import { startProxy } from '../support/proxy.js';
import { type SentinelGroup, startSentinel } from '../support/redis-sentinel.js';
import { sleep, until } from '../support/wait.js';
import type { Fault } from './faults.js';
import { lookInto, natMapOf, redisFaults } from './redis-servers.js';
import type { Topology } from './topology.js';

/** A primary and a replica under three sentinels. */
export async function startSentinels(): Promise<Topology> {
  const group = await startSentinel();
  const proxies = await Promise.all(group.servers.map(({ port }) => startProxy(port)));
  return {
    dial: {
      kind: 'sentinel',
      sentinels: group.addresses,
      name: group.name,
      natMap: natMapOf(group.servers, proxies),
    },
    proxies,
    whole: true,
    faults: [...common(group), ...faults(group)],
    missing: ['server clock stepped: on one server only'],
    look: () => lookInto([group.primary]),
    stop: async () => {
      await Promise.all(proxies.map((proxy) => proxy.close()));
      await group.stop();
    },
  };
}

const common = (group: SentinelGroup): Fault[] =>
  redisFaults({
    primaries: () => [group.primary],
    ownerOf: async () => group.primary,
    whole: true,
    // Sentinels that take it for dead have a fault of their own.
    longestStop: 1_000,
  });

const faults = (group: SentinelGroup): Fault[] => [
  {
    kind: 'fail-over to a replica that is in step',
    explains: 'fail-over',
    rare: true,
    strike: async () => {
      await within(12_000, group.failover());
      await settled(group);
    },
  },
  {
    kind: 'fail-over to a replica that lags',
    explains: 'fail-over',
    rare: true,
    strike: async ({ random }) => {
      await group.blockReplication();
      await sleep(random.between(200, 2_000));
      // The sentinels may find that it lags too much, and put it right.
      await within(12_000, group.failover());
      await settled(group);
    },
  },
  {
    kind: 'primary stopped until it is replaced, then waked',
    explains: 'fail-over',
    rare: true,
    strike: async () => {
      const old = group.primary;
      old.pause();
      await within(10_000, group.moved(old));
      await sleep(500);
      old.resume();
      await settled(group);
    },
  },
  {
    kind: 'primary killed, replaced, restarted empty',
    explains: 'fail-over',
    rare: true,
    strike: async () => {
      const old = group.primary;
      await old.kill();
      await within(30_000, group.moved(old));
      await old.start();
      await settled(group);
    },
  },
];

/** Waits for what may also come later, or not at all. */
async function within(ms: number, promise: Promise<void>): Promise<void> {
  await Promise.race([promise.catch(() => {}), sleep(ms)]);
}

/** Resolves when all sentinels name one primary, and the other servers follow it. */
async function settled(group: SentinelGroup): Promise<void> {
  const { servers } = group;
  await until(
    async () => {
      // A sentinel is nobody's primary: this takes whichever they agree on now.
      await group.moved(group.sentinels[0]!);
      await group.inSync();
      const roles = await Promise.all(servers.map((server) => server.ask((client) => client.role())));
      return roles.filter(([role]) => `${role}` === 'master').length === 1;
    },
    60_000,
    'the servers to settle after a fail-over',
  );
}
