import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import type { LockTrace } from '../../../src/lease/diagnostics.js';
import type { LockerOptions } from '../../../src/lease/options.js';
import { type RedisServer, startRedis } from '../../support/redis-server.js';
import { until } from '../../support/wait.js';
import { closeAll, locks } from './support/rig.js';

const TTL = 900;

let server: RedisServer;
const seen: LockTrace[] = [];
const note = (message: unknown) => seen.push(message as LockTrace);

beforeAll(async () => {
  server = await startRedis();
});
afterEach(async () => {
  unsubscribe('latchkey:renewal', note);
  server.resume();
  await closeAll();
  seen.length = 0;
});
afterAll(() => server.stop());

const outcomes = () => [...new Set(seen.map(({ outcome }) => outcome))];

async function hold(renewIn: LockerOptions['renewIn'], ttl = TTL) {
  const registry = locks(server.url);
  subscribe('latchkey:renewal', note);
  const lease = await registry.mustOf().acquire('a', { ttl, autoRenew: true, renewIn });
  return { registry, lease };
}

test.each(['main', 'thread'] as const)(
  'each renewal in the %s is told of, with its outcome',
  async (renewIn) => {
    const { lease } = await hold(renewIn);
    await until(() => seen.length >= 3);
    expect(outcomes()).toEqual(['renewed']);
    expect(seen[0]).toMatchObject({ locker: 'default', keys: ['a'], mode: 'write', fence: lease.fence });
    await lease.release();
    const { length } = seen;
    server.pause();
    expect(seen.length).toBe(length);
  },
);

test.each(['main', 'thread'] as const)(
  'a renewal in the %s that finds the hold gone is told of',
  async (renewIn) => {
    const { lease } = await hold(renewIn, 3_000);
    await until(() => seen.length >= 1);
    await server.ask((client) => client.flushall());
    await until(() => lease.signal.aborted);
    await until(() => outcomes().length > 1);
    expect(outcomes()).toEqual(['renewed', 'lost']);
  },
);

test('nothing is told, and the thread tells nothing, where nobody asked', async () => {
  const { lease } = await hold('thread');
  unsubscribe('latchkey:renewal', note);
  await lease.release();
  seen.length = 0;
  const untold = await locks(server.url)
    .mustOf()
    .acquire('b', { ttl: TTL, autoRenew: true, renewIn: 'thread' });
  subscribe('latchkey:renewal', note);
  await until(() => untold.ttl() < TTL / 2 || performance.now() > 0);
  await untold.release();
  expect(seen).toEqual([]);
});
