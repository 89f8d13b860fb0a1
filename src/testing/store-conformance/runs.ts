import type { StoreCases } from './kit.js';

export const runs: StoreCases = {
  'a writer is told which of its process stand right behind it, in order': async (kit) => {
    const holder = await kit.one.take();
    for (const token of ['a', 'b', 'c']) await kit.two.stand(token);
    await kit.one.stand('d');
    await kit.two.stand('e');
    await kit.one.free(holder);
    const { run } = await kit.two.told('a');
    kit.expect(run).toEqual(['b', 'c']);
  },

  'a run ends at a reader': async (kit) => {
    const holder = await kit.one.take();
    await kit.two.stand('a');
    await kit.two.stand('b');
    await kit.two.stand('r', { mode: 'read' });
    await kit.two.stand('c');
    await kit.one.free(holder);
    const { run } = await kit.two.told('a');
    kit.expect(run).toEqual(['b']);
  },

  'a reader has no run': async (kit) => {
    const holder = await kit.one.take();
    await kit.two.stand('r', { mode: 'read' });
    await kit.two.stand('w');
    await kit.one.free(holder);
    const { run } = await kit.two.told('r');
    kit.expect(run).toEqual([]);
    const again = await kit.two.wait({ token: 'r', mode: 'read' });
    kit.expect(again.granted && again.run).toEqual([]);
  },

  'one who claims again is told of the run again': async (kit) => {
    const holder = await kit.one.take();
    for (const token of ['a', 'b', 'c']) await kit.two.stand(token);
    await kit.one.free(holder);
    await kit.two.told('a');
    const again = await kit.two.wait({ token: 'a' });
    kit.expect(again.granted && again.run).toEqual(['b', 'c']);
  },

  'a run is no longer than the fences reserved': async (kit) => {
    const { fencesPerClaim } = kit.two.store.limits;
    const holder = await kit.one.take();
    const tokens = Array.from({ length: fencesPerClaim + 3 }, (_, n) => `t${n}`);
    await Promise.all(tokens.map((token) => kit.two.wait({ token })));
    await kit.one.free(holder);
    const { run } = await kit.two.told('t0');
    kit.expect(run).toEqual(tokens.slice(1, fencesPerClaim + 1));
  },

  'those whom a hold served lose their places with it, and the next one gets the key': async (kit) => {
    const holder = await kit.one.take();
    for (const token of ['a', 'b', 'c']) await kit.two.stand(token);
    await kit.one.stand('d');
    await kit.one.free(holder);
    const first = await kit.two.told('a');
    const freed = await kit.two.free({ token: 'a' }, { served: ['b'], usedFence: first.fence + 1 });
    kit.expect(freed).toBe('freed');
    const next = await kit.two.told('c');
    kit.expect(next.fence).toBeGreaterThan(first.fence + kit.two.store.limits.fencesPerClaim);
    await kit.two.free({ token: 'c' });
    await kit.one.told('d');
    kit.expect((await kit.one.store.read(kit.key))?.waiters).toBe(0);
    kit.expect(kit.two.granted.map(({ token }) => token)).toEqual(['a', 'c']);
  },

  'those whom a hold served lose their places although its time was up': async (kit) => {
    const holder = await kit.one.take();
    await kit.two.stand('a', { ttl: 50 });
    await kit.two.stand('b');
    await kit.one.stand('c');
    await kit.one.free(holder);
    const { fence } = await kit.two.told('a');
    await new Promise((resolve) => setTimeout(resolve, 100));
    const freed = await kit.two.free({ token: 'a' }, { served: ['b'], usedFence: fence + 1 });
    kit.expect(freed).toBe('not-held');
    await kit.one.told('c');
    kit.expect(kit.two.granted.map(({ token }) => token)).toEqual(['a']);
  },

  'the next fence is larger than the largest that a hold was used under': async (kit) => {
    const first = await kit.one.take();
    const usedFence = first.fence + 10_000_000_000;
    await kit.one.free(first, { usedFence });
    kit.expect((await kit.two.take()).fence).toBeGreaterThan(usedFence);
  },

  'a smaller fence that it was used under lowers nothing': async (kit) => {
    const first = await kit.one.take();
    await kit.one.free(first, { usedFence: 5 });
    kit
      .expect((await kit.two.take()).fence)
      .toBeGreaterThan(first.fence + kit.one.store.limits.fencesPerClaim);
  },
};
