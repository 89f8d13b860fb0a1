import { type StoreCases, sleep } from './kit.js';

export const places: StoreCases = {
  'a claim with a place that is refused waits, and has its place from then on': async (kit) => {
    const holder = await kit.one.take();
    const first = await kit.two.stand('a');
    kit.expect(first.kept).toBe(false);
    kit.expect(first.before).toBe(0);
    const behind = await kit.one.stand('b');
    kit.expect(behind.before).toBe(1);
    kit.expect((await kit.one.store.read(kit.key))?.waiters).toBe(2);
    const again = await kit.two.stand('a');
    kit.expect(again.kept).toBe(true);
    kit.expect(again.before).toBe(0);
    kit.expect((await kit.one.store.read(kit.key))?.waiters).toBe(2);
    await kit.one.free(holder);
    const { fence, run } = await kit.two.told('a');
    kit.expect(fence).toBeGreaterThan(holder.fence);
    kit.expect(run).toEqual([]);
  },

  'order is that of the first claims, in all processes': async (kit) => {
    let holder: { token: string } = await kit.one.take();
    const waiting = [
      { party: kit.one, token: 'a' },
      { party: kit.two, token: 'b' },
      { party: kit.two, token: 'c' },
      { party: kit.one, token: 'd' },
    ];
    for (const { party, token } of waiting) await party.stand(token);
    // To claim again changes no place.
    for (const { party, token } of [...waiting].reverse()) await party.stand(token);
    let last = 0;
    for (const { party, token } of waiting) {
      await kit.one.free(holder);
      holder = { token };
      const { fence } = await party.told(token);
      kit.expect(fence).toBeGreaterThan(last);
      last = fence;
    }
    kit.expect([...kit.one.granted, ...kit.two.granted].length).toBe(4);
  },

  'a message says no later time than that of the grant': async (kit) => {
    const holder = await kit.one.take();
    await kit.two.stand('a');
    await sleep(50);
    const before = performance.now();
    await kit.one.free(holder);
    const after = performance.now();
    const { asOf } = await kit.two.told('a');
    kit.expect(asOf).toBeLessThanOrEqual(after);
    // Nothing was asked meanwhile by which it could know better.
    kit.expect(asOf).toBeLessThanOrEqual(before);
  },

  'the hold of one who was handed the lock lasts its ttl, and no longer': async (kit) => {
    const holder = await kit.one.take();
    await kit.two.stand('a', { ttl: 300 });
    await kit.one.stand('b');
    await kit.one.free(holder);
    const { asOf } = await kit.two.told('a');
    const early = await kit.one.wait({ token: 'b' });
    if (performance.now() < asOf + 300) kit.expect(early.granted).toBe(false);
    await sleep(400);
    kit.expect((await kit.one.wait({ token: 'b' })).granted).toBe(true);
  },

  'one who was handed the lock and claims again is granted the same': async (kit) => {
    const holder = await kit.one.take();
    await kit.two.stand('a');
    await kit.one.free(holder);
    const { fence } = await kit.two.told('a');
    const again = await kit.two.wait({ token: 'a' });
    kit.expect(again.granted && again.fence).toBe(fence);
  },

  'a try does not come in before one who waits': async (kit) => {
    const holder = await kit.one.take();
    await kit.two.stand('a');
    kit.expect((await kit.one.try()).granted).toBe(false);
    await kit.one.expire(holder);
    // The time of the holder is up: the try finds it so, and it is the other's turn.
    const refused = await kit.one.try();
    kit.expect(refused.granted).toBe(false);
    const { fence } = await kit.two.told('a');
    kit.expect(fence).toBeGreaterThan(holder.fence);
    kit.expect(await kit.two.free({ token: 'a' })).toBe('freed');
    await kit.expectFree();
  },

  'whoever claims again after an expiry lets the first one in, not himself': async (kit) => {
    const holder = await kit.one.take();
    await kit.two.stand('a');
    await kit.one.stand('b');
    await kit.one.expire(holder);
    const refused = await kit.one.stand('b');
    kit.expect(refused.kept).toBe(true);
    await kit.two.told('a');
    kit.expect(kit.one.granted.length).toBe(0);
  },

  'one who leaves in the middle is passed over': async (kit) => {
    const holder = await kit.one.take();
    for (const token of ['a', 'b', 'c']) await kit.two.stand(token, token === 'b' ? {} : { mode: 'read' });
    await kit.two.store.leave(kit.key, ['b'], false);
    kit.expect((await kit.one.store.read(kit.key))?.waiters).toBe(2);
    await kit.one.free(holder);
    await kit.two.told('a');
    await kit.two.told('c');
    kit.expect(kit.two.granted.length).toBe(2);
  },

  'whoever leaves the head lets in those behind whom it kept out': async (kit) => {
    await kit.one.take({ mode: 'read' });
    await kit.one.stand('writer');
    await kit.two.stand('reader', { mode: 'read' });
    await kit.one.store.leave(kit.key, ['writer'], false);
    await kit.two.told('reader');
  },

  'to leave gives up what was granted meanwhile, and hands it over': async (kit) => {
    const holder = await kit.one.take();
    await kit.one.stand('a');
    await kit.two.stand('b');
    await kit.one.free(holder);
    await kit.one.told('a');
    await kit.one.store.leave(kit.key, ['a', 'unknown'], false);
    await kit.two.told('b');
    kit.expect(await kit.one.free({ token: 'a' })).toBe('not-held');
    kit.expect(await kit.two.free({ token: 'b' })).toBe('freed');
    await kit.expectFree();
  },

  'many leave at once': async (kit) => {
    const holder = await kit.one.take();
    const tokens = Array.from({ length: kit.one.store.limits.leaveBatch }, (_, n) => `t${n}`);
    await Promise.all(tokens.map((token) => kit.one.wait({ token })));
    await kit.two.stand('last');
    await kit.one.store.leave(kit.key, tokens, false);
    kit.expect((await kit.two.store.read(kit.key))?.waiters).toBe(1);
    await kit.one.free(holder);
    await kit.two.told('last');
  },

  'to leave twice, or a key that nobody knows, does no harm': async (kit) => {
    await kit.one.store.leave(kit.key, ['a'], false);
    await kit.expectFree();
    const holder = await kit.one.take();
    await kit.two.stand('b');
    await kit.two.store.leave(kit.key, ['b'], false);
    await kit.two.store.leave(kit.key, ['b'], false);
    kit.expect(await kit.one.free(holder)).toBe('freed');
    await kit.expectFree();
  },

  'a claim of a token that left, or was freed, is refused where it comes later, and takes no place': async (
    kit,
  ) => {
    const { one, key } = kit;
    await one.store.leave(key, ['left'], true);
    await one.take({ token: 'freed' });
    await one.stand('served');
    await one.free({ token: 'freed' }, { served: ['served'], late: true });
    for (const token of ['left', 'freed', 'served']) {
      const refused = await one.stand(token);
      kit.expect([refused.left, refused.kept]).toEqual([0, false]);
      kit.expect((await one.try({ token })).granted).toBe(false);
    }
    kit.expect(await kit.two.store.read(key)).toBe(null);
    await kit.expectFree();
  },

  'a place is passed over once its process has not vouched for it in time': async (kit) => {
    const holder = await kit.one.take();
    await kit.two.stand('stale', {}, 100);
    await kit.one.stand('live');
    await sleep(150);
    await kit.one.free(holder);
    await kit.one.told('live');
    kit.expect(kit.two.granted.length).toBe(0);
  },

  'one claim vouches for all the places of its process in that queue': async (kit) => {
    const holder = await kit.one.take();
    await kit.two.stand('a', {}, 400);
    await kit.two.stand('b', {}, 400);
    await sleep(250);
    await kit.two.stand('b', {}, 60_000);
    await sleep(250);
    await kit.one.free(holder);
    await kit.two.told('a');
  },

  'a place whose process is gone does not keep the key': async (kit) => {
    const holder = await kit.one.take();
    await kit.two.stand('dead', {}, 300);
    await kit.two.store.close();
    await sleep(400);
    await kit.one.free(holder);
    kit.expect((await kit.one.try()).granted).toBe(true);
  },

  'hundreds are let in at once, and each is told': async (kit) => {
    const holder = await kit.one.take();
    const tokens = Array.from({ length: 300 }, (_, n) => `t${n}`);
    await Promise.all(tokens.map((token) => kit.two.wait({ token, mode: 'read' })));
    await kit.one.free(holder);
    const fences = [];
    for (const token of tokens) fences.push((await kit.two.told(token)).fence);
    kit.expect((await kit.one.store.read(kit.key))?.holders.length).toBe(300);
    kit.expect(new Set(fences).size).toBe(300);
    kit.expect(fences).toEqual([...fences].sort((a, b) => a - b));
  },

  'whoever claims after an expiry lets hundreds in, too': async (kit) => {
    const holder = await kit.one.take();
    const tokens = Array.from({ length: 300 }, (_, n) => `t${n}`);
    await Promise.all(tokens.map((token) => kit.two.wait({ token, mode: 'read' })));
    await kit.one.expire(holder);
    await kit.one.try();
    for (const token of tokens) await kit.two.told(token);
    kit.expect((await kit.one.store.read(kit.key))?.holders.length).toBe(300);
  },
};
