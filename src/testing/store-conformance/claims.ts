import type { Granted } from '../../engine/store.js';
import { LATE_MS, ROUNDING_MS, readLate, type StoreCases, sleep } from './kit.js';

export const claims: StoreCases = {
  'a free key is granted, with a fence, its ttl, and a time from before': async (kit) => {
    const before = performance.now();
    const grant = await kit.one.take({ ttl: 5_000 });
    kit.expect(Number.isSafeInteger(grant.fence) && grant.fence > 0).toBe(true);
    kit.expectBetween(grant.ttl, 5_000 - ROUNDING_MS, 5_000);
    kit.expectBetween(grant.asOf, before, performance.now());
    kit.expect(grant.run).toEqual([]);
  },

  'a grant counts from before it was made, also where the answer is read late': async (kit) => {
    for (let turns = 0; turns < 3; turns++) {
      const key = kit.name(`read late ${turns}`);
      const { asOf, ttl } = await readLate(kit.one.take({ key, ttl: 8_000 }), turns);
      const { ttl: left } = (await kit.one.store.read(key))!.holders[0]!;
      kit.expect(asOf + ttl).toBeLessThanOrEqual(performance.now() + left + ROUNDING_MS);
    }
  },

  'a free key is granted to one who would wait, too, and leaves no place behind': async (kit) => {
    const answer = await kit.one.wait({ token: 'a' });
    kit.expect(answer.granted).toBe(true);
    kit.expect((await kit.two.store.read(kit.key))?.waiters).toBe(0);
    kit.expect(await kit.one.free({ token: 'a' })).toBe('freed');
    await kit.expectFree();
  },

  'a held key is refused to a try, which takes no place': async (kit) => {
    await kit.one.take({ ttl: 8_000 });
    const refused = await kit.two.try();
    if (refused.granted) throw new Error('expected to be refused');
    kit.expectBetween(refused.left, 8_000 - LATE_MS, 8_000);
    kit.expect(refused.before).toBe(0);
    kit.expect(refused.kept).toBe(false);
    kit.expect((await kit.two.store.read(kit.key))?.waiters).toBe(0);
  },

  'a claim whose token holds the lock is granted again, with the same fence and the time that is left':
    async (kit) => {
      const grant = await kit.one.take({ token: 'a', ttl: 8_000 });
      await sleep(100);
      for (const again of [await kit.one.try({ token: 'a' }), await kit.one.wait({ token: 'a' })]) {
        kit.expect(again.granted && again.fence).toBe(grant.fence);
        kit.expectBetween((again as Granted).ttl, 8_000 - LATE_MS, 7_910);
      }
      kit.expect((await kit.two.store.read(kit.key))?.waiters).toBe(0);
      kit.expect(await kit.one.free({ token: 'a' })).toBe('freed');
      kit.expect(await kit.one.free({ token: 'a' })).toBe('not-held');
    },

  'a reader that claims again is told its own time, not that of the longest reader': async (kit) => {
    const brief = await kit.one.take({ token: 'brief', mode: 'read', ttl: 8_000 });
    await kit.two.take({ token: 'long', mode: 'read', ttl: 60_000 });
    const again = await kit.one.try({ token: 'brief', mode: 'read', ttl: 8_000 });
    kit.expect(again.granted && again.fence).toBe(brief.fence);
    kit.expectBetween((again as Granted).ttl, 8_000 - LATE_MS, 8_000);
  },

  'a token that is the beginning of the owner’s is another one': async (kit) => {
    await kit.one.take({ token: 'owner-1' });
    kit.expect((await kit.one.try({ token: 'owner' })).granted).toBe(false);
    kit.expect(await kit.one.free({ token: 'owner' })).toBe('not-held');
    kit.expect((await kit.two.try()).granted).toBe(false);
  },

  'fences grow with every new owner, by more than a writer may use': async (kit) => {
    const { fencesPerClaim } = kit.one.store.limits;
    let last = 0;
    for (let n = 0; n < 20; n++) {
      const party = n % 2 ? kit.one : kit.two;
      const mode = n % 3 ? 'write' : 'read';
      const grant = await party.take({ mode });
      kit.expect(grant.fence).toBeGreaterThan(last);
      last = grant.fence + (mode === 'write' ? fencesPerClaim : 0);
      await party.free(grant, { mode });
    }
  },

  'a hold ends when its time is up, and the key is to be had': async (kit) => {
    const first = await kit.one.take({ token: 'a' });
    kit.expect((await kit.two.try()).granted).toBe(false);
    await kit.one.expire(first);
    const second = await kit.two.take();
    kit.expect(second.fence).toBeGreaterThan(first.fence);
    kit.expect(await kit.one.free({ token: 'a' })).toBe('not-held');
    kit.expect((await kit.one.try()).granted).toBe(false);
  },

  'a token whose hold has expired gets a new one, under a larger fence': async (kit) => {
    const first = await kit.one.take({ token: 'a', ttl: 50 });
    await sleep(100);
    const second = await kit.one.take({ token: 'a' });
    kit.expect(second.fence).toBeGreaterThan(first.fence + kit.one.store.limits.fencesPerClaim);
  },

  'a refusal says how long the last holder has left': async (kit) => {
    await kit.one.take({ mode: 'read', ttl: 60_000 });
    await kit.one.take({ mode: 'read', ttl: 10_000 });
    const refused = await kit.two.try();
    kit.expectBetween(refused.granted ? 0 : refused.left, 60_000 - LATE_MS, 60_000);
  },

  'a refusal says to one with a limit how long the first of the holders has left': async (kit) => {
    await kit.one.take({ mode: 'read', ttl: 60_000 });
    await kit.one.take({ mode: 'read', ttl: 5_000 });
    const refused = await kit.two.try({ mode: 'read', limit: 2 });
    kit.expectBetween(refused.granted ? 0 : refused.left, 5_000 - LATE_MS, 5_000);
  },

  'calls about one key take effect in the order in which they were made': async (kit) => {
    const calls = [
      kit.one.try({ token: 'a' }),
      kit.one.try({ token: 'b' }),
      kit.one.free({ token: 'a' }),
      kit.one.try({ token: 'c' }),
      kit.one.wait({ token: 'd' }),
      kit.one.store.leave(kit.key, ['d'], false),
      kit.one.free({ token: 'c' }),
      kit.one.try({ token: 'e' }),
    ] as const;
    const [a, b, freed, c, d, , freedToo, e] = await Promise.all(calls);
    const granted = [a, b, c, d, e].map((answer) => answer.granted);
    kit.expect(granted).toEqual([true, false, true, false, true]);
    kit.expect([freed, freedToo]).toEqual(['freed', 'freed']);
  },

  'one key does not touch another, however alike, whatever text it is': async (kit) => {
    const keys = [
      'k',
      'K',
      'k ',
      ' k',
      'k\n',
      'kk',
      'k:k',
      '%7B',
      '*',
      'ключ',
      '🔑',
      'k\'"\\',
      `${'k'.repeat(500)}`,
    ];
    const grants = [];
    for (const key of keys) grants.push(await kit.one.take({ key: kit.name(key), token: 'same' }));
    for (const { key } of grants) {
      kit.expect((await kit.two.try({ key })).granted).toBe(false);
      kit.expect((await kit.two.store.read(key))?.key).toBe(key);
    }
    for (const grant of grants) kit.expect(await kit.one.free(grant)).toBe('freed');
    for (const { key } of grants) kit.expect(await kit.two.store.read(key)).toBe(null);
  },

  'a hold may last for years': async (kit) => {
    const ttl = 1e12;
    const grant = await kit.one.take({ ttl });
    kit.expectBetween(grant.ttl, ttl - ROUNDING_MS, ttl);
    const refused = await kit.two.stand('b', { ttl });
    kit.expectBetween(refused.left, ttl - LATE_MS, ttl);
    kit.expect(await kit.one.free(grant)).toBe('freed');
    await kit.two.told('b');
    kit.expectBetween((await kit.one.store.read(kit.key))!.holders[0]!.ttl, ttl - LATE_MS, ttl);
  },
};
