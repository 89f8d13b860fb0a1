import { type StoreCases, sleep } from './kit.js';

export const sharing: StoreCases = {
  'readers share the key, and a writer waits for the last of them': async (kit) => {
    const first = await kit.one.take({ mode: 'read' });
    const second = await kit.two.take({ mode: 'read' });
    kit.expect(second.fence).toBeGreaterThan(first.fence);
    await kit.one.stand('writer');
    kit.expect(await kit.one.free(first, { mode: 'read' })).toBe('freed');
    kit.expect((await kit.one.wait({ token: 'writer' })).granted).toBe(false);
    kit.expect(await kit.two.free(second, { mode: 'read' })).toBe('freed');
    await kit.one.told('writer');
  },

  'a reader does not come in before a writer who waits': async (kit) => {
    await kit.one.take({ mode: 'read' });
    await kit.two.stand('writer');
    kit.expect((await kit.one.try({ mode: 'read' })).granted).toBe(false);
    const reader = await kit.one.stand('reader', { mode: 'read' });
    kit.expect(reader.before).toBe(1);
  },

  'readers at the head of the queue come in together, up to the next writer': async (kit) => {
    const writer = await kit.one.take();
    await kit.two.stand('r1', { mode: 'read' });
    await kit.one.stand('r2', { mode: 'read' });
    await kit.two.stand('w');
    await kit.one.stand('r3', { mode: 'read' });
    await kit.one.free(writer);
    await kit.two.told('r1');
    await kit.one.told('r2');
    const info = await kit.one.store.read(kit.key);
    kit.expect([info?.holders.length, info?.waiters]).toEqual([2, 2]);
    await kit.two.free({ token: 'r1' }, { mode: 'read' });
    kit.expect((await kit.two.wait({ token: 'w' })).granted).toBe(false);
    await kit.one.free({ token: 'r2' }, { mode: 'read' });
    await kit.two.told('w');
    kit.expect(kit.one.granted.map(({ token }) => token)).toEqual(['r2']);
  },

  'with a limit one enters while fewer than that are inside': async (kit) => {
    const limit = 2;
    const first = await kit.one.take({ mode: 'read', limit });
    await kit.two.take({ mode: 'read', limit });
    kit.expect((await kit.one.try({ mode: 'read', limit })).granted).toBe(false);
    await kit.two.stand('third', { mode: 'read', limit });
    await kit.one.free(first, { mode: 'read' });
    await kit.two.told('third');
    kit.expect((await kit.one.try({ mode: 'read', limit })).granted).toBe(false);
    kit.expect((await kit.one.try({ mode: 'read', limit: 3 })).granted).toBe(true);
  },

  'the limit is each claim’s own, and nobody passes one whose limit is not met': async (kit) => {
    const first = await kit.one.take({ mode: 'read', limit: 5 });
    await kit.two.take({ mode: 'read', limit: 5 });
    await kit.two.stand('narrow', { mode: 'read', limit: 2 });
    await kit.one.stand('wide', { mode: 'read', limit: 5 });
    kit.expect((await kit.one.try({ mode: 'read' })).granted).toBe(false);
    await kit.one.free(first, { mode: 'read' });
    await kit.two.told('narrow');
    await kit.one.told('wide');
    const info = await kit.one.store.read(kit.key);
    kit.expect([info?.holders.length, info?.limit]).toEqual([3, 2]);
  },

  'a writer keeps out readers of any limit': async (kit) => {
    await kit.one.take();
    kit.expect((await kit.two.try({ mode: 'read' })).granted).toBe(false);
    kit.expect((await kit.two.try({ mode: 'read', limit: 100 })).granted).toBe(false);
  },

  'each reader’s hold ends at its own time': async (kit) => {
    await kit.one.take({ token: 'brief', mode: 'read', ttl: 100 });
    await kit.one.take({ token: 'long', mode: 'read', ttl: 20_000 });
    await sleep(150);
    kit.expect((await kit.two.store.read(kit.key))?.holders.length).toBe(1);
    kit.expect(await kit.one.free({ token: 'brief' }, { mode: 'read' })).toBe('not-held');
    kit.expect((await kit.two.try()).granted).toBe(false);
    kit.expect(await kit.one.free({ token: 'long' }, { mode: 'read' })).toBe('freed');
    await kit.expectFree();
  },

  'one whose limit is met by an expiry comes in at its next claim': async (kit) => {
    const brief = await kit.one.take({ mode: 'read', limit: 2 });
    await kit.one.take({ mode: 'read', limit: 2, ttl: 20_000 });
    await kit.two.stand('third', { mode: 'read', limit: 2 });
    await kit.one.expire(brief, 'read');
    kit.expect((await kit.two.wait({ token: 'third', mode: 'read', limit: 2 })).granted).toBe(true);
  },
};
