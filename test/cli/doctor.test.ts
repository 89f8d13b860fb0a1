import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { redisDriver } from '../../src/drivers/redis/driver.js';
import { LockRegistry } from '../../src/registry.js';
import type { RedisServer } from '../support/redis-server.js';
import { CommandBed } from './support/bed.js';
import { latchkey, startInTerminal } from './support/command.js';
import { documentedRights } from './support/rights.js';

let bed: CommandBed;
let server: RedisServer;

beforeAll(async () => {
  bed = await CommandBed.start();
  ({ server } = bed);
});

afterAll(() => bed.stop());

interface Check {
  what: string;
  verdict: string;
  found: string;
  advice?: string;
}

async function examine(...args: string[]): Promise<{ code: number | null; checks: Map<string, Check> }> {
  const { code, stdout } = await latchkey(['doctor', '--json', ...args], bed.env);
  const { checks } = JSON.parse(stdout) as { checks: Check[] };
  return { code, checks: new Map(checks.map((check) => [check.what, check])) };
}

const redis = (command: string, ...args: string[]) => server.ask((client) => client.call(command, ...args));

const urlOf = (user: string) => server.url.replace('redis://', `redis://${user}:${user}@`);

test('finds all in order, but for what this server does not keep', async () => {
  const { code, checks } = await examine();
  expect(code).toBe(0);
  const amiss = [...checks.values()].filter(({ verdict }) => verdict !== 'ok');
  expect(amiss.map(({ what }) => what)).toEqual(['persistence']);
  expect(checks.get('version')?.found).toMatch(/^\d+\.\d+/);
  expect(checks.get('right: PUBLISH in a script')?.verdict).toBe('ok');
  expect(Math.abs(Number(/(\d+) ms/.exec(checks.get('clock')!.found)![1]))).toBeLessThan(1_000);
});

test('prints a table, and what to do', async () => {
  const { code, stdout } = await startInTerminal(['doctor'], { ...bed.env, NO_COLOR: '1' }, 60).answer;
  expect(code).toBe(0);
  const lines = stdout.split(/\r?\n/);
  expect(lines.slice(0, lines.indexOf('')).every((line) => line.length <= 60)).toBe(true);
  expect(stdout).toMatch(/^eviction +ok +noeviction/m);
  expect(stdout).toMatch(/^warning: persistence: .*appendonly yes/m);
});

test('warns of eviction, of keys that never expire, and of another format', async () => {
  await redis('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
  await redis('HSET', 'lock:{old}', 'v', '1');
  const lease = await bed.locker.acquire('held');
  const { code, checks } = await examine();
  expect(code).toBe(1);
  expect(checks.get('eviction')).toMatchObject({ verdict: 'warning', found: 'allkeys-lru' });
  expect(checks.get('expiry')).toMatchObject({
    verdict: 'warning',
    found: expect.stringMatching(/^1 of \d+ locks/),
  });
  expect(checks.get('format')).toMatchObject({ verdict: 'error', found: 'also 1' });
  await redis('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
  await redis('DEL', 'lock:{old}');
  await lease.release();
});

test('a server that is away is exit code 69', async () => {
  expect(await latchkey(['doctor', '--url', 'redis://127.0.0.1:1'])).toMatchObject({ code: 69, stdout: '' });
});

test('the documented rights are enough for all that is done with locks, and for the command', async () => {
  await redis('ACL', 'SETUSER', 'enough', ...documentedRights('enough'));
  const url = urlOf('enough');
  const { code, checks } = await examine('--url', url);
  expect(code).toBe(0);
  const refused = [...checks.values()].filter(({ found }) => found.includes('not '));
  expect(refused).toEqual([]);
  const registry = new LockRegistry().registerDriver('redis', () => redisDriver({ url }));
  const locker = registry.registerLocker('limited', { driver: 'redis' }).mustOf('limited');
  try {
    const first = await locker.acquire('k');
    const next = locker.acquire('k', { wait: '10s' });
    await first.extend('1s');
    await first.release();
    const second = await next;
    expect(await locker.inspect('k')).toMatchObject({ holders: [{ fence: second.fence }] });
    for await (const { key } of locker.list({ prefix: 'k' })) expect(key).toBe('k');
    const readers = [locker.acquire('r', { limit: 2 }), locker.acquire('r', { mode: 'read' })];
    for (const reader of await Promise.all(readers)) await reader.release();
    expect(await locker.revoke('k', second.fence)).toBe(true);
    expect((await latchkey(['run', 'k', '--url', url, '--', 'true'])).code).toBe(0);
    const denied = await redis('ACL', 'LOG');
    expect(denied).toEqual([]);
  } finally {
    await registry.close({ grace: 0 });
  }
});

test('each right that is missing is named, with the rule that gives it', async () => {
  const needed = documentedRights('less').filter((rule) => rule.startsWith('+'));
  const spared = ['+hello', '+select', '+ping', '+pttl', '+eval', '+client|setname'];
  for (const rule of needed.filter((each) => !spared.includes(each))) {
    const user = `no-${rule.slice(1).replace('|', '-')}`;
    await redis('ACL', 'SETUSER', user, ...documentedRights(user).filter((each) => each !== rule));
    const { checks } = await examine('--url', urlOf(user));
    const named = [...checks.values()].filter(
      ({ what, verdict }) => what.startsWith('right: ') && verdict !== 'ok',
    );
    expect(named).toEqual([
      expect.objectContaining({ found: 'not allowed', advice: expect.stringContaining(`${rule} `) }),
    ]);
  }
}, 60_000);
