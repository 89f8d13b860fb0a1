import { cp, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type RedisCluster, startCluster } from '../../support/redis-cluster.js';
import { type SentinelGroup, startSentinel } from '../../support/redis-sentinel.js';
import { type RedisServer, startRedis } from '../../support/redis-server.js';
import { TTL } from '../support/thread/child.js';
import { Children, finished } from '../support/thread/kit.js';

const root = join(import.meta.dirname, '../../..');

let group: SentinelGroup;
let cluster: RedisCluster;
let server: RedisServer;
let env: Record<string, string>;

beforeAll(async () => {
  [group, cluster, server] = await Promise.all([
    startSentinel({ password: 'p@ss' }),
    startCluster(),
    startRedis(),
  ]);
  const hosts = (of: { host: string; port: number }[]) =>
    of.map(({ host, port }) => `${host}:${port}`).join(',');
  env = {
    URL: server.url,
    SENTINEL: `redis+sentinel://:p%40ss@${hosts(group.addresses)}/${group.name}`,
    SENTINELS: JSON.stringify({ sentinels: group.addresses, name: group.name, password: 'p@ss' }),
    CLUSTER: `redis+cluster://${hosts(cluster.addresses)}`,
    NODES: JSON.stringify(cluster.addresses),
  };
}, 90_000);
const children = new Children('redis', () => server.url);
afterAll(() => Promise.all([group.stop(), cluster.stop(), server.stop()]));

/** Holds keys of several slots through a block of the loop of four times the ttl. `redis` is source. */
async function block(redis: string, more: Readonly<Record<string, string>> = {}) {
  const holder = children.start(
    `
    import { Redis } from 'ioredis';
    const redis = ${redis};
    const lease = await locker(redis).acquire(['a', 'b', 'c']);
    const { fence } = lease;
    block(${4 * TTL});
    const { held } = lease;
    send({ held, same: lease.fence === fence, released: await lease.release(), warnings });
    await close();
    redis.disconnect?.();
  `,
    { ...env, ...more },
  );
  await finished(holder);
  return holder.messages[0];
}

const KEPT = { held: true, same: true, released: true, warnings: [] };

test.each([
  ['one server', '{ url: process.env.URL }'],
  ['sentinels, by their address', '{ url: process.env.SENTINEL }'],
  ['sentinels, by options', 'JSON.parse(process.env.SENTINELS)'],
  ['a Cluster', '{ url: process.env.CLUSTER }'],
  [
    'a lent client of one server',
    "new Redis(process.env.URL, { keyPrefix: 'mine:', retryStrategy: () => 10 })",
  ],
  [
    'a lent client of sentinels',
    'new Redis({ ...JSON.parse(process.env.SENTINELS), sentinelRetryStrategy: () => 10 })',
  ],
])('the thread renews while the loop is blocked: %s', async (_, redis) => {
  expect(await block(redis)).toEqual(KEPT);
});

test('a Cluster client that is lent cannot be copied: the main thread renews, and the warning says what to do', async () => {
  const holder = children.start(
    `
    import { Cluster } from 'ioredis';
    const client = new Cluster(JSON.parse(process.env.NODES));
    const lease = await locker(client).acquire('a');
    await sleep(${2 * TTL});
    send({ held: lease.held, released: await lease.release(), warnings });
    await close();
    client.disconnect();
  `,
    env,
  );
  await finished(holder);
  expect(holder.messages).toEqual([{ held: true, released: true, warnings: ['LATCHKEY_THREAD'] }]);
  expect(holder.stderr()).toContain('give an address instead');
});

test('ioredis 5, as a service has it: the thread renews by it too', async () => {
  const service = await mkdtemp(join(root, 'build', 'ioredis5-'));
  try {
    await mkdir(join(service, 'node_modules'));
    await symlink(join(root, 'node_modules/ioredis5'), join(service, 'node_modules/ioredis'));
    await cp(join(root, 'dist'), join(service, 'dist'), { recursive: true });
    const { version } = createRequire(join(service, 'dist/locks.js'))('ioredis/package.json');
    expect(version).toMatch(/^5\./);
    const PACKAGE = join(service, 'dist/locks.js');
    for (const url of ['URL', 'CLUSTER', 'SENTINEL'])
      expect(await block(`{ url: process.env.${url} }`, { PACKAGE })).toEqual(KEPT);
  } finally {
    await rm(service, { recursive: true });
  }
}, 60_000);
