import type { Cases } from './kit.js';

export const inspection: Cases = {
  'inspecting a free key answers null': async (kit) => {
    kit.expect(await kit.driver.inspect(kit.key)).toBe(null);
    await kit.driver.release(await kit.take());
    kit.expect(await kit.driver.inspect(kit.key)).toBe(null);
  },

  'inspecting a held key shows its mode, fence, time left and metadata, but no token': async (kit) => {
    const meta = { host: 'h1', job: 'ü 🔑 {"}' };
    const { fence } = await kit.take({ ttl: 5_000, meta, token: 'the-secret' });
    const info = await kit.driver.inspect(kit.key);
    const ttl = info!.holders[0]!.ttl;
    kit.expect(info).toEqual({ key: kit.key, mode: 'write', waiters: 0, holders: [{ fence, ttl, meta }] });
    kit.expect(ttl).toBeGreaterThan(0);
    kit.expect(ttl).toBeLessThanOrEqual(5_000);
    kit.expect(JSON.stringify(info).includes('the-secret')).toBe(false);
  },

  'inspecting shows every reader, and after an extension its new time': async (kit) => {
    const first = await kit.take({ mode: 'read', meta: { n: '1' } });
    const second = await kit.take({ mode: 'read', meta: { n: '2' } });
    await kit.driver.extend(second, 60_000);
    const info = await kit.driver.inspect(kit.key);
    kit.expect(info!.mode).toBe('read');
    const holders = [...info!.holders].sort((a, b) => a.fence - b.fence);
    kit.expect(holders.map(({ fence, meta }) => [fence, meta])).toEqual([
      [first.fence, { n: '1' }],
      [second.fence, { n: '2' }],
    ]);
    kit.expect(holders[1]!.ttl).toBeGreaterThan(30_000);
    kit.expect(holders[0]!.ttl).toBeLessThanOrEqual(10_000);
  },

  'inspecting counts who waits': async (kit) => {
    const holder = await kit.take();
    const { granted } = await kit.queue();
    await kit.expectWaiters(1);
    await kit.driver.release(holder);
    await granted;
    await kit.expectWaiters(0);
  },
};
