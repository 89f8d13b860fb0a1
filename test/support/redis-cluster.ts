import { Cluster } from 'ioredis';
import { type RedisServer, startRedis } from './redis-server.js';
import { until } from './wait.js';

const slots = 16_384;

/** A cluster of primaries without replicas; the slots are dealt out in equal runs. */
export class RedisCluster {
  readonly #clients: Cluster[] = [];

  constructor(readonly nodes: readonly RedisServer[]) {}

  /** What ioredis's `Cluster` takes to begin with. */
  get addresses(): { host: string; port: number }[] {
    return this.nodes.map(({ port }) => ({ host: '127.0.0.1', port }));
  }

  /** A new plain client for a test's own questions; closed at `stop`. */
  client(): Cluster {
    const client = new Cluster(this.addresses, { redisOptions: { disconnectTimeout: 0 } });
    client.on('error', () => {});
    this.#clients.push(client);
    return client;
  }

  slotOf(key: string): Promise<number> {
    return this.nodes[0]!.ask((client) => client.cluster('KEYSLOT', key)) as Promise<number>;
  }

  /** The node that serves `slot` by its own account. */
  ownerOf(slot: number): Promise<RedisServer> {
    return until(
      async () => {
        const claims = await Promise.all(this.nodes.map((node) => owns(node, slot)));
        return this.nodes[claims.indexOf(true)];
      },
      10_000,
      `an owner of slot ${slot}`,
    );
  }

  /**
   * Moves `slot` and its keys to `to`. `during` runs when the keys have moved and the slot has not:
   * its old owner answers ASK then.
   */
  async migrateSlot(slot: number, to: RedisServer, during?: () => Promise<void>): Promise<void> {
    const from = await this.ownerOf(slot);
    const [fromId, toId] = await Promise.all([from, to].map(idOf));
    await to.ask((client) => client.cluster('SETSLOT', slot, 'IMPORTING', fromId!));
    await from.ask((client) => client.cluster('SETSLOT', slot, 'MIGRATING', toId!));
    await moveKeys(slot, from, to);
    await during?.();
    await moveKeys(slot, from, to);
    // The new owner first: were it the other way round, for a moment nobody would serve the slot.
    for (const node of [to, from, ...this.nodes.filter((other) => other !== to && other !== from)]) {
      await node.ask((client) => client.cluster('SETSLOT', slot, 'NODE', toId!));
    }
  }

  async stop(): Promise<void> {
    for (const client of this.#clients.splice(0)) client.disconnect();
    await Promise.all(this.nodes.map((node) => node.stop()));
  }
}

/** Starts a cluster; resolves when every node sees all slots served. */
export async function startCluster(options: { nodes?: number } = {}): Promise<RedisCluster> {
  const args = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '5000'];
  const count = options.nodes ?? 3;
  const nodes = await Promise.all(Array.from({ length: count }, () => startRedis({ args })));
  await Promise.all(
    nodes.map((node, i) =>
      node.ask(async (client) => {
        // Distinct epochs from the start spare the nodes the conflict they would have to settle first.
        await client.cluster('SET-CONFIG-EPOCH', i + 1);
        const own = Array.from({ length: slots }, (_, slot) => slot);
        await client.cluster('ADDSLOTS', ...own.filter((slot) => Math.floor((slot * count) / slots) === i));
        if (i > 0) await client.cluster('MEET', '127.0.0.1', nodes[0]!.port);
      }),
    ),
  );
  const complete = (node: RedisServer) =>
    until(
      async () => {
        const info = (await node.ask((client) => client.cluster('INFO'))) as string;
        return info.includes('cluster_state:ok') && info.includes(`cluster_size:${count}\r\n`);
      },
      30_000,
      `node ${node.port} to see ${count} nodes`,
    );
  await Promise.all(nodes.map(complete));
  return new RedisCluster(nodes);
}

async function moveKeys(slot: number, from: RedisServer, to: RedisServer): Promise<void> {
  await from.ask(async (client) => {
    for (;;) {
      const keys = (await client.cluster('GETKEYSINSLOT', slot, 100)) as string[];
      if (keys.length === 0) return;
      await client.migrate('127.0.0.1', to.port, '', 0, 5000, 'KEYS', ...keys);
    }
  });
}

function idOf(node: RedisServer): Promise<string> {
  return node.ask((client) => client.cluster('MYID')) as Promise<string>;
}

async function owns(node: RedisServer, slot: number): Promise<boolean> {
  const id = await idOf(node);
  const ranges = await node.ask((client) => client.cluster('SLOTS'));
  return ranges.some(([first, last, owner]) => owner?.[2] === id && first <= slot && slot <= last);
}
