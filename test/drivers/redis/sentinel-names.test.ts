import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { startProxy, type TcpProxy } from '../../support/proxy.js';
import { HOST_NAMES, type SentinelGroup, startSentinel } from '../../support/redis-sentinel.js';
import { type RedisServer, startRedis } from '../../support/redis-server.js';
import { sleep } from '../../support/wait.js';
import { closeAll, locks } from './support/rig.js';

let group: SentinelGroup;
let proxies: TcpProxy[];
let deaf: RedisServer | undefined;

beforeAll(async () => {
  group = await startSentinel({ hostNames: true });
  proxies = await Promise.all(group.servers.map(({ port }) => startProxy(port)));
  const rules = ['on', '>pass', '~*', '+@all', 'resetchannels'];
  await Promise.all(
    group.servers.map((server) => server.ask((client) => client.acl('SETUSER', 'deaf', ...rules))),
  );
}, 60_000);
afterEach(async () => {
  await closeAll();
  await deaf?.stop();
});
afterAll(async () => {
  await Promise.all(proxies.map((proxy) => proxy.close()));
  await group.stop();
});

/** A sentinel that knows the primary of now, and hears of no fail-over. */
async function startDeaf(): Promise<RedisServer> {
  const { name, primary } = group;
  const monitor = `sentinel monitor ${name} localhost ${primary.port} 2`;
  const login = [`sentinel auth-user ${name} deaf`, `sentinel auth-pass ${name} pass`];
  return startRedis({ config: [...HOST_NAMES, monitor, ...login], args: ['--sentinel'] });
}

/** All that a client may be told of where the servers are: nothing, or an address map as an object or as a function. */
const maps = () => {
  const known = new Map(
    group.servers.map(({ port }, i) => [`localhost:${port}`, { host: '127.0.0.1', port: proxies[i]!.port }]),
  );
  return {
    directly: undefined,
    'through an address map': Object.fromEntries(known),
    'through a function': (address: string) => known.get(address) ?? null,
  };
};

test.each(['directly', 'through an address map', 'through a function'] as const)(
  'a primary that one sentinel goes on naming by its host, and others not, serves nobody: reached %s',
  async (how) => {
    const { name, addresses } = group;
    const natMap = maps()[how];
    await group.inSync();
    deaf = await startDeaf();
    const sentinels = [{ host: '127.0.0.1', port: deaf.port }, ...addresses];
    const old = group.primary;
    old.pause();
    await group.moved(old);
    const lease = await locks({ sentinels: addresses, name }).mustOf().acquire('stood');
    old.resume();
    for (const end = performance.now() + 3_000; performance.now() < end; await sleep(100)) {
      const rival = locks({ sentinels, name, ...(natMap && { natMap }) }).mustOf();
      expect(await rival.tryAcquire('stood').catch(() => null)).toBeNull();
    }
    expect(lease.held).toBe(true);
    expect(await lease.release()).toBe(true);
  },
  90_000,
);
