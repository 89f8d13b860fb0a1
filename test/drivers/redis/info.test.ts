import { afterEach, describe, expect, test } from '@jest/globals';
import type { Hold } from '../../../src/drivers/redis/hold.js';
import { readInfo } from '../../../src/drivers/redis/info.js';
import { startProxy } from '../../support/proxy.js';
import { until } from '../../support/wait.js';
import { closeAll, freshKey, open, queue, take } from './support/rig.js';
import { redis, server, serverForAll } from './support/stage.js';

const nobody = () => undefined;

describe('the answer of the inspecting script', () => {
  test('without holders is null, however many wait', () => {
    expect(readInfo('a', [[], [], -2, 0, 1_000], nobody)).toBeNull();
    expect(readInfo('a', [[], [], -2, 7, 1_000], nobody)).toBeNull();
  });

  test('of a writer has its time left, its fence and its metadata', () => {
    const reply = [['token', 'w1700000000000001 {"who":"me}\\n"}'], [], 5_000, 2, 1_000];
    expect(readInfo('a', reply, nobody)).toEqual({
      key: 'a',
      mode: 'write',
      waiters: 2,
      holders: [{ ttl: 5_000, fence: 1_700_000_000_000_001, meta: { who: 'me}\n' } }],
    });
  });

  test('of readers has the time of each, without those whose time is up or unknown', () => {
    const holders = ['x', 'r1 {}', 'y', 'r2 {}', 'z', 'r3 {}', 'lost', 'r4 {}'];
    const readers = ['x', '1500', 'y', '1000', 'z', '4000'];
    expect(readInfo('a', [holders, readers, 9_000, 0, 1_000], nobody)).toEqual({
      key: 'a',
      mode: 'read',
      waiters: 0,
      holders: [
        { ttl: 500, fence: 1, meta: {} },
        { ttl: 3_000, fence: 3, meta: {} },
      ],
    });
    expect(readInfo('a', [['x', 'r1 {}'], ['x', '1000'], 9_000, 3, 1_000], nobody)).toBeNull();
  });

  test('of a hold that was handed on inside this process has who holds it now', () => {
    const own = { fence: 12, request: { meta: { who: 'second' } } } as unknown as Hold;
    const info = readInfo('a', [['token', 'w10 {"who":"first"}'], [], 5_000, 0, 1_000], (token) =>
      token === 'token' ? own : undefined,
    );
    expect(info!.holders).toEqual([{ ttl: 5_000, fence: 12, meta: { who: 'second' } }]);
    info!.holders[0]!.meta.who = 'changed by the caller';
    expect(own.request.meta).toEqual({ who: 'second' });
  });
});

describe('an inspection', () => {
  serverForAll();
  afterEach(closeAll);

  test('of two readers, one of them cut off and expired, shows the other one only', async () => {
    const proxy = await startProxy(server.port);
    const [one, two, witness] = [await open(server.url), await open(proxy.url), await open(server.url)];
    const key = freshKey();
    const held = await take(one, key, { mode: 'read', ttl: 30_000, meta: { who: 'one' } });
    await take(two, key, { mode: 'read', ttl: 600, meta: { who: 'two' } });
    expect((await witness.inspect(key))!.holders.map(({ meta }) => meta.who).sort()).toEqual(['one', 'two']);
    // Nothing is given back: Redis alone knows that its time is up.
    proxy.blackhole();
    await until(
      async () => (await witness.inspect(key))!.holders.length === 1,
      5_000,
      'one reader to be left',
    );
    const info = (await witness.inspect(key))!;
    expect(info).toMatchObject({ key, mode: 'read', holders: [{ fence: held.fence, meta: { who: 'one' } }] });
    expect(info.holders[0]!.ttl).toBeGreaterThan(10_000);
    expect(await server.client().hlen(key)).toBe(2);
    await one.release(held);
    expect(await witness.inspect(key)).toBeNull();
    proxy.passThrough();
    await closeAll();
    await proxy.close();
  });

  test('changes nothing, and tells the time left and who waits', async () => {
    const [holder, waiter] = [await open(server.url), await open(server.url)];
    const key = freshKey();
    expect(await waiter.inspect(key)).toBeNull();
    expect(await redis.keys(`${key}*`)).toEqual([]);
    const held = await take(holder, key, { ttl: 20_000, meta: { host: 'h', pid: '1' } });
    const { granted } = await queue(redis, waiter, key);
    const before = await redis.dump(`${key}:waiters`);
    const info = await holder.inspect(key);
    expect(info).toMatchObject({
      key,
      mode: 'write',
      waiters: 1,
      holders: [{ fence: held.fence, meta: { host: 'h', pid: '1' } }],
    });
    expect(info!.holders[0]!.ttl).toBeGreaterThan(5_000);
    expect(info!.holders[0]!.ttl).toBeLessThanOrEqual(20_000);
    expect(await redis.dump(`${key}:waiters`)).toEqual(before);
    await holder.release(held);
    await waiter.release(await granted);
  });
});
