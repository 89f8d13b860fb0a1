import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { inSync, promote, startReplica } from '../../support/redis-replica.js';
import { type RedisServer, startRedis } from '../../support/redis-server.js';
import { canStepClocks, SteppedClock } from '../../support/stepped-clock.js';
import { clockSuite } from '../support/clock-suite.js';
import { ask, closeAll, freshKey, holdLeft, open, take } from './support/rig.js';

clockSuite(async (env) => {
  const server = await startRedis({ env });
  return {
    open: () => open(server.url),
    now: async () => Number((await server.ask((client) => client.time()))[0]) * 1_000,
    stop: () => server.stop(),
  };
}, closeAll);

(canStepClocks() ? describe : describe.skip)('a fail-over to a replica that is in step', () => {
  let clock: SteppedClock;
  const servers: RedisServer[] = [];

  beforeAll(async () => {
    clock = await SteppedClock.make();
  });
  afterAll(async () => {
    await closeAll();
    await Promise.all(servers.map((server) => server.stop()));
    await clock.remove();
  });

  /** A lock that is held for 60 s, on a server whose clock is so many ms ahead of the one that granted it. */
  async function heldOn(ms: number) {
    await clock.step(ms);
    const primary = await startRedis();
    const replica = await startReplica(primary, { env: clock.env });
    servers.push(primary, replica);
    const key = freshKey();
    const held = await take(await open(primary.url), key, { ttl: 60_000 });
    await inSync(replica, primary);
    await promote(replica);
    await primary.kill();
    return { key, held, replica, rival: await open(replica.url) };
  }

  test('keeps the lock for its time where the clocks agree', async () => {
    const { key, replica, rival } = await heldOn(0);
    expect(await ask(rival, key)).toBeNull();
    const left = await replica.ask((client) => holdLeft(client, key));
    expect(left).toBeLessThanOrEqual(60_000);
    expect(left).toBeGreaterThan(30_000);
  });

  test('lets the next one in early where the new clock is ahead, under a larger fence', async () => {
    const { key, held, rival } = await heldOn(70_000);
    expect((await take(rival, key)).fence).toBeGreaterThan(held.fence);
    expect(held.validUntil).toBeGreaterThan(performance.now());
  });

  test('lets the next one in late where the new clock is behind', async () => {
    const { key, replica, rival } = await heldOn(-70_000);
    expect(await ask(rival, key)).toBeNull();
    const left = await replica.ask((client) => holdLeft(client, key));
    expect(left).toBeGreaterThan(100_000);
    expect(left).toBeLessThanOrEqual(130_000);
  });
});
