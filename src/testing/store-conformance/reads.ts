import type { LockInfo } from '../../lease/driver.js';
import { LATE_MS, ROUNDING_MS, type StoreCases, sleep } from './kit.js';

async function collect(infos: AsyncIterable<LockInfo>): Promise<LockInfo[]> {
  const all: LockInfo[] = [];
  for await (const info of infos) all.push(info);
  return all.sort((a, b) => (a.key < b.key ? -1 : 1));
}

export const reads: StoreCases = {
  'a key that nobody holds or awaits is null, also after it was held': async (kit) => {
    kit.expect(await kit.one.store.read(kit.key)).toBe(null);
    await kit.one.free(await kit.one.take());
    kit.expect(await kit.two.store.read(kit.key)).toBe(null);
    await kit.one.take({ ttl: 50 });
    await kit.one.take({ key: kit.name('read'), mode: 'read', ttl: 50 });
    await sleep(100);
    kit.expect(await kit.two.store.read(kit.key)).toBe(null);
    kit.expect(await kit.two.store.read(kit.name('read'))).toBe(null);
  },

  'a writer is shown with all that it said': async (kit) => {
    const meta = { host: 'a b', 'ключ "1"': '{"x": [1]}\n' };
    const before = await kit.backendNow();
    const grant = await kit.one.take({ ttl: 8_000, meta });
    const info = (await kit.two.store.read(kit.key))!;
    kit.expect([info.key, info.mode, info.limit, info.waiters]).toEqual([kit.key, 'write', undefined, 0]);
    kit.expect(info.waiting).toEqual([]);
    kit.expect(info.restsUntil).toBe(undefined);
    const [holder] = info.holders;
    kit.expect([holder!.fence, holder!.meta]).toEqual([grant.fence, meta]);
    kit.expectBetween(holder!.ttl, 8_000 - LATE_MS, 8_000);
    // A clock of this century.
    kit.expect(before).toBeGreaterThan(Date.UTC(2001, 0));
    kit.expectBetween(holder!.since, before - ROUNDING_MS, (await kit.backendNow()) + ROUNDING_MS);
  },

  'readers are shown each with its own time, and the smallest of their limits': async (kit) => {
    await kit.one.take({ mode: 'read', ttl: 8_000, meta: { n: '1' } });
    await kit.two.take({ mode: 'read', ttl: 60_000, limit: 7, meta: { n: '2' } });
    const info = (await kit.one.store.read(kit.key))!;
    kit.expect([info.mode, info.limit]).toEqual(['read', 7]);
    const holders = [...info.holders].sort((a, b) => a.fence - b.fence);
    kit.expect(holders.map(({ meta }) => meta)).toEqual([{ n: '1' }, { n: '2' }]);
    kit.expectBetween(holders[0]!.ttl, 8_000 - LATE_MS, 8_000);
    kit.expectBetween(holders[1]!.ttl, 60_000 - LATE_MS, 60_000);
  },

  'who waits is shown in order, with all that it said': async (kit) => {
    await kit.one.take();
    const before = await kit.backendNow();
    await kit.two.stand('a', { meta: { n: '1' } });
    await kit.one.stand('b', { mode: 'read', meta: { n: '2' } });
    const info = (await kit.one.store.read(kit.key))!;
    kit.expect(info.waiters).toBe(2);
    kit.expect(info.waiting.map(({ mode, meta }) => [mode, meta.n])).toEqual([
      ['write', '1'],
      ['read', '2'],
    ]);
    const after = await kit.backendNow();
    for (const { since } of info.waiting) kit.expectBetween(since, before - ROUNDING_MS, after + ROUNDING_MS);
  },

  'of those who wait, the first hundred are shown and all are counted': async (kit) => {
    await kit.one.take();
    const tokens = Array.from({ length: 120 }, (_, n) => `t${n}`);
    await Promise.all(tokens.map((token) => kit.two.wait({ token, meta: { token } })));
    const info = (await kit.one.store.read(kit.key))!;
    kit.expect(info.waiters).toBe(120);
    kit.expect(info.waiting.map(({ meta }) => meta.token)).toEqual(tokens.slice(0, 100));
  },

  'what is read does not change': async (kit) => {
    const grant = await kit.one.take();
    await kit.two.stand('a');
    await kit.one.expire(grant);
    for (let n = 0; n < 3; n++) {
      const info = (await kit.one.store.read(kit.key))!;
      kit.expect([info.holders.length, info.waiters, info.mode]).toEqual([0, 1, 'write']);
    }
    kit.expect(kit.two.granted.length).toBe(0);
    kit.expect(await kit.one.free(grant)).toBe('not-held');
    await kit.two.told('a');
  },

  'all locks under a prefix are listed: held, awaited or at rest, and no others': async (kit) => {
    const names = ['held', 'read', 'rests', 'free', 'expired'].map((name) => kit.name(name));
    const [held, read, rests, free, expired] = names as [string, string, string, string, string];
    await kit.one.take({ key: held, meta: { n: '1' } });
    await kit.one.take({ key: read, mode: 'read' });
    await kit.one.free(await kit.one.take({ key: rests }), { keepFor: 20_000 });
    await kit.one.free(await kit.one.take({ key: free }));
    await kit.one.take({ key: expired, ttl: 50 });
    await kit.one.take({ key: `other:${held}` });
    await sleep(100);
    const infos = await collect(kit.two.store.list(kit.prefix));
    kit.expect(infos.map(({ key }) => key)).toEqual([held, read, rests]);
    kit.expect(infos[0]!.holders[0]!.meta).toEqual({ n: '1' });
    kit.expect(await collect(kit.two.store.list(`${kit.prefix}none`))).toEqual([]);
  },

  'a prefix is text, not a pattern': async (kit) => {
    await kit.one.take({ key: kit.name('a') });
    for (const prefix of ['*', '%', '_', '[', '\\']) {
      kit.expect((await collect(kit.two.store.list(`${kit.prefix.slice(0, -1)}${prefix}`))).length).toBe(0);
    }
    const odd = `${kit.prefix}*[a-z]%_\\`;
    await kit.one.take({ key: `${odd}{a}` });
    kit.expect((await collect(kit.two.store.list(odd))).map(({ key }) => key)).toEqual([`${odd}{a}`]);
  },
};
