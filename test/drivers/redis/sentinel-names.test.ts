import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { HOST_NAMES, type SentinelGroup, startSentinel } from '../../support/redis-sentinel.js';
import { type RedisServer, startRedis } from '../../support/redis-server.js';
import { sleep } from '../../support/wait.js';
import { closeAll, locks } from './support/rig.js';

let group: SentinelGroup;
/** Hears of no fail-over. */
let deaf: RedisServer;
let url: string;

beforeAll(async () => {
  group = await startSentinel({ hostNames: true });
  const { name, primary, addresses } = group;
  const rules = ['on', '>pass', '~*', '+@all', 'resetchannels'];
  await Promise.all(
    group.servers.map((server) => server.ask((client) => client.acl('SETUSER', 'deaf', ...rules))),
  );
  const monitor = `sentinel monitor ${name} localhost ${primary.port} 2`;
  const login = [`sentinel auth-user ${name} deaf`, `sentinel auth-pass ${name} pass`];
  deaf = await startRedis({ config: [...HOST_NAMES, monitor, ...login], args: ['--sentinel'] });
  const hosts = [{ host: '127.0.0.1', port: deaf.port }, ...addresses];
  url = `redis+sentinel://${hosts.map(({ host, port }) => `${host}:${port}`).join(',')}/${name}`;
}, 60_000);
afterEach(closeAll);
afterAll(() => Promise.all([deaf.stop(), group.stop()]));

test('a primary that one sentinel goes on naming by its host, and others not, serves nobody', async () => {
  await group.inSync();
  const old = group.primary;
  old.pause();
  await group.moved(old);
  const lease = await locks({ sentinels: group.addresses, name: group.name }).mustOf().acquire('stood');
  old.resume();
  for (const end = performance.now() + 3_000; performance.now() < end; await sleep(100)) {
    const rival = locks(url).mustOf();
    expect(await rival.tryAcquire('stood').catch(() => null)).toBeNull();
  }
  expect(lease.held).toBe(true);
  expect(await lease.release()).toBe(true);
}, 90_000);
