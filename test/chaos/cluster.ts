import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { startProxy } from '../support/proxy.js';
import { type RedisCluster, startCluster } from '../support/redis-cluster.js';
import type { RedisServer } from '../support/redis-server.js';
import { sleep, until } from '../support/wait.js';
import type { Fault } from './faults.js';
import { lookInto, natMapOf, redisFaults } from './redis-servers.js';
import { ALL_KEYS } from './setting.js';
import type { Topology } from './topology.js';

/** Three primaries without replicas. */
export async function startNodes(): Promise<Topology> {
  const cluster = await startCluster();
  const proxies = await Promise.all(cluster.nodes.map(({ port }) => startProxy(port)));
  return {
    dial: {
      kind: 'cluster',
      nodes: proxies.map(({ port }) => ({ host: '127.0.0.1', port })),
      natMap: natMapOf(cluster.nodes, proxies),
    },
    proxies,
    whole: false,
    faults: [...common(cluster), ...faults(cluster)],
    missing: ['server clock stepped: on one server only'],
    look: () => lookInto(cluster.nodes),
    stop: async () => {
      await Promise.all(proxies.map((proxy) => proxy.close()));
      await cluster.stop();
    },
  };
}

const common = (cluster: RedisCluster): Fault[] =>
  redisFaults({
    primaries: () => cluster.nodes,
    ownerOf: async (name) => cluster.ownerOf(await cluster.slotOf(name)),
    whole: false,
    longestStop: 3_500,
  });

const faults = (cluster: RedisCluster): Fault[] => [
  {
    kind: 'slot of a lock migrated',
    strike: async ({ random }) => {
      const slot = await cluster.slotOf(random.pick(ALL_KEYS));
      const from = await cluster.ownerOf(slot);
      const to = random.pick(cluster.nodes.filter((node) => node !== from));
      await cluster.migrateSlot(slot, to, () => sleep(random.between(0, 800)));
    },
  },
  {
    kind: 'node shut down, restarted with its data',
    strike: async ({ random }) => {
      const node = random.pick(cluster.nodes);
      await node.ask((client) => client.shutdown('SAVE')).catch(() => {});
      await node.kill();
      await node.start();
      await whole(cluster);
      await forget(node);
    },
  },
  {
    kind: 'node killed, restarted without data',
    explains: 'lost data',
    strike: async ({ random }) => {
      const node = random.pick(cluster.nodes);
      await node.kill();
      await forget(node);
      await node.start();
      await whole(cluster);
    },
  },
];

const forget = (node: RedisServer) => rm(join(node.dir, 'dump.rdb'), { force: true });

async function whole(cluster: RedisCluster): Promise<void> {
  await until(
    async () => {
      const infos = await Promise.all(
        cluster.nodes.map((node) => node.ask((client) => client.cluster('INFO'))),
      );
      return infos.every((info) => `${info}`.includes('cluster_state:ok'));
    },
    30_000,
    'the cluster to be whole',
  );
}
