import { LATE_MS, ROUNDING_MS, type StoreCases, sleep, until } from './kit.js';

export const frees: StoreCases = {
  'a hold is freed once': async (kit) => {
    const grant = await kit.one.take();
    kit.expect(await kit.one.free(grant)).toBe('freed');
    kit.expect(await kit.one.free(grant)).toBe('not-held');
    await kit.expectFree();
  },

  'what was never held is not freed': async (kit) => {
    kit.expect(await kit.one.free({ token: 'a' })).toBe('not-held');
    kit.expect(await kit.one.free({ token: 'a' }, { mode: 'read' })).toBe('not-held');
    await kit.expectFree();
  },

  'another token frees nothing, nor does one that waits': async (kit) => {
    await kit.one.take({ token: 'owner' });
    await kit.two.stand('b');
    kit.expect(await kit.two.free({ token: 'other' })).toBe('not-held');
    kit.expect(await kit.two.free({ token: 'b' })).toBe('not-held');
    kit.expect((await kit.two.try()).granted).toBe(false);
    kit.expect(await kit.one.free({ token: 'owner' })).toBe('freed');
  },

  'a hold that is freed twice does the next one no harm': async (kit) => {
    const first = await kit.one.take();
    await kit.two.stand('b');
    await kit.one.free(first);
    await kit.two.told('b');
    kit.expect(await kit.one.free(first)).toBe('not-held');
    kit.expect((await kit.one.try()).granted).toBe(false);
    kit.expect(await kit.two.free({ token: 'b' })).toBe('freed');
  },

  'a hold whose time is up is not freed, and the next one is not harmed': async (kit) => {
    const first = await kit.one.take({ ttl: 50 });
    await sleep(100);
    kit.expect(await kit.one.free(first)).toBe('not-held');
    const brief = await kit.one.take();
    await kit.two.stand('b');
    await kit.one.expire(brief);
    kit.expect(await kit.one.free(brief)).toBe('not-held');
    await kit.two.told('b');
    kit.expect((await kit.one.try()).granted).toBe(false);
  },

  'a key that is kept is nobody’s until its time is up': async (kit) => {
    const before = await kit.backendNow();
    kit.expect(await kit.one.free(await kit.one.take(), { keepFor: 20_000 })).toBe('freed');
    const refused = await kit.two.try();
    if (refused.granted) throw new Error('expected to be refused');
    kit.expectBetween(refused.left, 20_000 - LATE_MS, 20_000);
    const info = await kit.two.store.read(kit.key);
    kit.expect([info?.holders.length, info?.waiters]).toEqual([0, 0]);
    const [least, most] = [before + 20_000, (await kit.backendNow()) + 20_000];
    kit.expectBetween(info!.restsUntil!, least - ROUNDING_MS, most + ROUNDING_MS);
    const key = kit.name('soon free');
    const grant = await kit.one.take({ key });
    const since = performance.now();
    kit.expect(await kit.one.free(grant, { keepFor: 300 })).toBe('freed');
    while (!(await kit.two.try({ key })).granted) await sleep(10);
    kit.expectBetween(performance.now() - since, 300 - ROUNDING_MS, 300 + LATE_MS);
  },

  'the first who waits is told when a key that is kept is free': async (kit) => {
    const grant = await kit.one.take();
    await kit.two.stand('b');
    await kit.one.stand('c');
    const before = performance.now();
    await kit.one.free(grant, { keepFor: 300 });
    await until(() => kit.two.lookIns.length > 0, 'a message that the key rests');
    const [look] = kit.two.lookIns;
    kit.expect(look!.key).toBe(kit.key);
    kit.expectBetween(look!.ms, 1, 300);
    const early = await kit.two.wait({ token: 'b' });
    if (performance.now() < before + 300) kit.expect(early.granted).toBe(false);
    await sleep(350);
    kit.expect((await kit.two.wait({ token: 'b' })).granted).toBe(true);
    kit.expect(kit.one.lookIns.length + kit.one.granted.length).toBe(0);
  },

  'where the first who waits has left, the next one is told when a key that is kept is free': async (kit) => {
    for (const mode of ['write', 'read'] as const) {
      const key = kit.name(mode);
      const grant = await kit.one.take({ key, mode });
      await kit.one.stand('a', { key });
      await kit.two.stand('b', { key });
      await kit.one.free({ ...grant, key }, { mode, keepFor: 300 });
      kit.expect(kit.two.lookIns.filter((look) => look.key === key)).toEqual([]);
      await kit.one.store.leave(key, ['a'], false);
      const told = () => kit.two.lookIns.find((look) => look.key === key);
      await until(() => told() !== undefined, 'a message that the key rests');
      kit.expectBetween(told()!.ms, 1, 300);
      await sleep(350);
      kit.expect((await kit.two.wait({ key, token: 'b' })).granted).toBe(true);
    }
  },

  'a shared hold that is kept stays one of those inside': async (kit) => {
    const limit = 2;
    const keep = async (key: string, keepFor: number) => {
      const first = await kit.one.take({ key, mode: 'read', limit });
      await kit.two.take({ key, mode: 'read', limit });
      await kit.one.free(first, { mode: 'read', keepFor });
    };
    await keep(kit.key, 20_000);
    kit.expect((await kit.one.try({ mode: 'read', limit })).granted).toBe(false);
    kit.expect((await kit.one.try({ mode: 'read', limit: 3 })).granted).toBe(true);
    const soon = kit.name('soon over');
    await keep(soon, 100);
    await sleep(150);
    kit.expect((await kit.one.try({ key: soon, mode: 'read', limit })).granted).toBe(true);
  },

  'where one comes in when a share has rested, the next one is told when another has': async (kit) => {
    const permit = { mode: 'read', limit: 2 } as const;
    const [first, second] = [await kit.one.take(permit), await kit.one.take(permit)];
    await kit.one.stand('a', permit);
    await kit.two.stand('b', permit);
    await kit.one.free(first, { mode: 'read', keepFor: 200 });
    await kit.one.free(second, { mode: 'read', keepFor: 3_000 });
    kit.expect(kit.two.lookIns).toEqual([]);
    await sleep(250);
    kit.expect((await kit.one.wait({ ...permit, token: 'a' })).granted).toBe(true);
    await until(() => kit.two.lookIns.length > 0, 'a message that a share rests');
    kit.expectBetween(kit.two.lookIns[0]!.ms, 1, 3_000);
  },

  'where one comes in when another permit is free, the next one is told when a share has rested': async (
    kit,
  ) => {
    const permit = { mode: 'read', limit: 2 } as const;
    const [first, second] = [await kit.one.take(permit), await kit.one.take(permit)];
    await kit.one.stand('a', permit);
    await kit.two.stand('b', permit);
    await kit.one.free(first, { mode: 'read', keepFor: 3_000 });
    kit.expect(kit.two.lookIns).toEqual([]);
    await kit.one.free(second, { mode: 'read' });
    await until(() => kit.two.lookIns.length > 0, 'a message that a share rests');
    kit.expectBetween(kit.two.lookIns[0]!.ms, 1, 3_000);
  },

  'a key that rests cannot be freed, renewed or revoked': async (kit) => {
    const grant = await kit.one.take();
    await kit.one.free(grant, { keepFor: 20_000 });
    kit.expect(await kit.one.free(grant)).toBe('not-held');
    const renewal = { key: kit.key, token: grant.token, mode: 'write', ttl: 60_000, sequence: 9 } as const;
    kit.expect(await kit.one.store.renew([renewal])).toEqual(['lost']);
    kit.expect(await kit.one.store.revoke(kit.key, grant.fence, 0)).toBe(false);
    kit.expect((await kit.two.try()).granted).toBe(false);
  },

  'to keep what is not held keeps nothing': async (kit) => {
    kit.expect(await kit.one.free({ token: 'a' }, { keepFor: 2_000 })).toBe('not-held');
    await kit.expectFree();
  },
};
