import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type RedisCluster, startCluster } from '../support/redis-cluster.js';
import { type SentinelGroup, startSentinel } from '../support/redis-sentinel.js';
import { killAll, latchkey } from './support/command.js';
import { documentedRights } from './support/rights.js';

interface Check {
  what: string;
  verdict: string;
  found: string;
  advice?: string;
}

async function examine(url: string): Promise<{ code: number | null; checks: Map<string, Check> }> {
  const { code, stdout } = await latchkey(['doctor', '--json', '--url', url]);
  const { checks } = JSON.parse(stdout) as { checks: Check[] };
  return { code, checks: new Map(checks.map((check) => [check.what, check])) };
}

const hosts = (addresses: { host: string; port: number }[]) =>
  addresses.map(({ host, port }) => `${host}:${port}`).join(',');

afterAll(() => killAll());

describe('in a Cluster', () => {
  let cluster: RedisCluster;
  let url: string;

  beforeAll(async () => {
    cluster = await startCluster();
    url = `redis+cluster://${hosts(cluster.addresses)}`;
  }, 60_000);

  afterAll(() => cluster.stop());

  test('every primary is examined, and what is alike is told once', async () => {
    await cluster.client().hset('lock:{old}', 'v', '1');
    const { code, checks } = await examine(url);
    expect(code).toBe(1);
    expect(checks.get('cluster')).toMatchObject({
      verdict: 'ok',
      found: '3 primaries, all slots are served',
    });
    expect(checks.get('eviction')).toEqual({ what: 'eviction', verdict: 'ok', found: 'noeviction' });
    expect(checks.get('format')).toMatchObject({ verdict: 'error', found: 'also 1' });
    expect(checks.get('expiry')!.found).toMatch(/^1 of 1 locks/);
    const amiss = [...checks.values()].filter(({ verdict }) => verdict !== 'ok');
    expect(amiss.map(({ what }) => what).sort()).toEqual(['expiry', 'format', 'persistence']);
    await cluster.client().del('lock:{old}');
  });

  test('what is wrong on one of them is told with its address', async () => {
    const odd = cluster.nodes[1]!;
    await odd.ask((client) => client.config('SET', 'maxmemory-policy', 'allkeys-lru'));
    await odd.ask((client) => client.call('ACL', 'SETUSER', 'default', '-publish'));
    const { code, checks } = await examine(url);
    expect(code).toBe(1);
    expect(checks.get('eviction')).toMatchObject({
      verdict: 'warning',
      found: `allkeys-lru (127.0.0.1:${odd.port})`,
    });
    expect(checks.get('right: PUBLISH in a script')).toMatchObject({
      verdict: 'error',
      found: `not allowed (127.0.0.1:${odd.port})`,
    });
    await odd.ask((client) => client.config('SET', 'maxmemory-policy', 'noeviction'));
    await odd.ask((client) => client.call('ACL', 'SETUSER', 'default', '+@all'));
  });

  test('the documented rights are enough there, too', async () => {
    for (const node of cluster.nodes)
      await node.ask(async (client) => {
        await client.call('ACL', 'SETUSER', 'enough', ...documentedRights('enough', true));
        await client.call('ACL', 'LOG', 'RESET');
      });
    const theirs = url.replace('://', '://enough:enough@');
    const { code, checks } = await examine(theirs);
    expect([...checks.values()].filter(({ found }) => found.includes('not '))).toEqual([]);
    expect(code).toBe(0);
    expect((await latchkey(['run', 'k', '--url', theirs, '--', 'true'])).code).toBe(0);
    expect((await latchkey(['ls', '--url', theirs, '--json'])).stdout).toBe('[]\n');
    for (const node of cluster.nodes)
      expect(await node.ask((client) => client.call('ACL', 'LOG'))).toEqual([]);
  });

  test('one that does not answer is told of, beside what the others say', async () => {
    const gone = cluster.nodes[2]!;
    gone.pause();
    try {
      const { code, checks } = await examine(url);
      expect(code).toBe(1);
      expect(checks.get('reach')).toMatchObject({
        verdict: 'error',
        found: expect.stringContaining(`127.0.0.1:${gone.port}`),
      });
      expect(checks.get('eviction')).toMatchObject({ verdict: 'ok' });
    } finally {
      gone.resume();
    }
  });
});

describe('behind Sentinel', () => {
  let group: SentinelGroup;
  let url: string;

  beforeAll(async () => {
    group = await startSentinel();
    url = `redis+sentinel://${hosts(group.addresses)}/${group.name}`;
  }, 60_000);

  afterAll(() => group.stop());

  test('the primary is examined, and how many sentinels answer', async () => {
    const { code, checks } = await examine(url);
    expect(code).toBe(0);
    expect(checks.get('sentinels')).toEqual({ what: 'sentinels', verdict: 'ok', found: '3 of 3 answer' });
    expect(checks.get('role')).toMatchObject({ verdict: 'ok', found: 'primary' });
    expect(checks.get('replicas')).toMatchObject({
      verdict: 'warning',
      found: '1, none waited for',
      advice: expect.stringContaining('min-replicas-to-write'),
    });
    await group.primary.ask((client) => client.config('SET', 'min-replicas-to-write', '1'));
    expect((await examine(url)).checks.get('replicas')).toMatchObject({ verdict: 'ok', found: '1' });
  });

  test('a sentinel that is away is named', async () => {
    const [away] = group.sentinels;
    await away!.kill();
    const { code, checks } = await examine(url);
    expect(code).toBe(0);
    expect(checks.get('sentinels')).toMatchObject({
      verdict: 'warning',
      found: '2 of 3 answer',
      advice: `start those that do not: 127.0.0.1:${away!.port}`,
    });
  });
});
