import { type Cases, LONG, SLACK, sleep } from './kit.js';

export const inspection: Cases = {
  'inspecting a free key answers null': async (kit) => {
    kit.expect(await kit.driver.inspect(kit.key)).toBe(null);
    await kit.driver.release(await kit.take());
    kit.expect(await kit.driver.inspect(kit.key)).toBe(null);
  },

  'inspecting a held key shows its mode, fence, time left and metadata, but no token': async (kit) => {
    const meta = { host: 'h1', job: 'ü 🔑 {"}' };
    const { fence } = await kit.take({ ttl: 10_000, meta, token: 'the-secret' });
    const info = await kit.driver.inspect(kit.key);
    const { ttl, since } = info!.holders[0]!;
    kit.expect(info).toEqual({
      key: kit.key,
      mode: 'write',
      waiters: 0,
      holders: [{ fence, ttl, since, meta }],
      waiting: [],
    });
    kit.expect(ttl).toBeGreaterThan(0);
    kit.expect(ttl).toBeLessThanOrEqual(10_000);
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

  'inspecting shows when a hold began, however often it is extended': async (kit) => {
    const since = async () => (await kit.driver.inspect(kit.key))!.holders[0]!.since;
    const first = await kit.take();
    const started = performance.now();
    const began = await since();
    // A clock of this century, whole ms or parts of them.
    kit.expect(began).toBeGreaterThan(Date.UTC(2001, 0));
    const { granted } = await kit.queue();
    await sleep(300);
    await kit.driver.extend(first, 20_000);
    kit.expect(await since()).toBe(began);
    await kit.driver.release(first);
    await granted;
    kit.expect((await since()) - began).toBeGreaterThan(250);
    kit.expect((await since()) - began).toBeLessThanOrEqual(performance.now() - started + SLACK);
  },

  'inspecting counts all waiters, writers and readers': async (kit) => {
    const holder = await kit.take();
    const writer = await kit.queue();
    await kit.expectWaiters(1);
    const readers = [await kit.queue({ mode: 'read' }), await kit.queue({ mode: 'read', limit: 5 })];
    await kit.expectWaiters(3);
    await kit.driver.release(holder);
    const second = await writer.granted;
    await kit.expectWaiters(2);
    await kit.driver.release(second);
    for (const { granted } of readers) await granted;
    await kit.expectWaiters(0);
  },

  'inspecting shows the waiters in order, with mode, since and metadata, but no token': async (kit) => {
    await kit.take();
    const asked = (await kit.driver.inspect(kit.key))!.holders[0]!.since;
    await kit.queue({ meta: { n: '1' }, token: 'secret-1' });
    await sleep(300);
    await kit.queue({ meta: { n: '2 ü 🔑 {"}' }, mode: 'read', token: 'secret-2' });
    await kit.queue({ meta: { n: '3' }, mode: 'read', limit: 5, token: 'secret-3' });
    const stop = new AbortController();
    await kit.queue({ meta: { n: 'left' }, signal: stop.signal });
    await kit.queue({ meta: {}, token: 'secret-5' });
    stop.abort(new Error('enough'));
    await kit.expectWaiters(4);
    const info = await kit.driver.inspect(kit.key);
    kit.expect(info!.waiting.map(({ mode, meta }) => [mode, meta])).toEqual([
      ['write', { n: '1' }],
      ['read', { n: '2 ü 🔑 {"}' }],
      ['read', { n: '3' }],
      ['write', {}],
    ]);
    let last = asked - 1;
    for (const { since } of info!.waiting) {
      kit.expect(since).toBeGreaterThan(last - 1);
      last = since;
    }
    const [first, second] = info!.waiting;
    kit.expect(second!.since - first!.since).toBeGreaterThan(250);
    kit.expect(last - asked).toBeLessThanOrEqual(300 + 3 * SLACK);
    kit.expect(JSON.stringify(info).includes('secret')).toBe(false);
  },

  'inspecting shows the first hundred waiters, and counts all': async (kit) => {
    const holder = await kit.take();
    const stop = new AbortController();
    const waiting = Array.from({ length: 120 }, (_, n) =>
      kit.ask({ wait: LONG, meta: { n: String(n) }, signal: stop.signal }),
    );
    await kit.expectWaiters(120);
    const info = await kit.driver.inspect(kit.key);
    const names = Array.from({ length: 100 }, (_, n) => String(n));
    kit.expect(info!.waiting.map(({ meta }) => meta.n)).toEqual(names);
    stop.abort(new Error('enough'));
    await Promise.allSettled(waiting);
    await kit.driver.release(holder);
    await kit.expectFree();
  },
};
