import type { LockMode } from '../../lease/driver.js';
import { LATE_MS, type StoreCases, sleep, until } from './kit.js';

const renewal = (key: string, token: string) =>
  ({ key, token, mode: 'write', ttl: 60_000, sequence: 5 }) as const;

export const revocations: StoreCases = {
  'a hold is taken away by its fence, and its process and the next one are told': async (kit) => {
    const grant = await kit.one.take();
    await kit.two.stand('next');
    kit.expect(await kit.two.store.revoke(kit.key, grant.fence, 0)).toBe(true);
    const next = await kit.two.told('next');
    kit.expect(next.fence).toBeGreaterThan(grant.fence + kit.one.store.limits.fencesPerClaim);
    await until(() => kit.one.revoked.length > 0, 'a message that the hold was revoked');
    kit.expect(kit.one.revoked).toEqual([{ token: grant.token, grace: 0 }]);
    kit.expect(await kit.one.free(grant)).toBe('not-held');
    kit.expect((await kit.one.try()).granted).toBe(false);
  },

  'the next renewal is told so, also when the hold is over or another has followed': async (kit) => {
    const writer = await kit.one.take();
    await kit.two.store.revoke(kit.key, writer.fence, 0);
    const ask = (token: string, mode: LockMode) =>
      kit.one.store.renew([{ ...renewal(kit.key, token), mode }]);
    kit.expect(await ask(writer.token, 'write')).toEqual([{ revoked: 0 }]);
    const reader = await kit.one.take({ mode: 'read' });
    await kit.two.take({ mode: 'read' });
    await kit.two.store.revoke(kit.key, reader.fence, 100);
    await sleep(150);
    kit.expect(await ask(reader.token, 'read')).toEqual([{ revoked: 0 }]);
    kit.expect(await ask('another', 'read')).toEqual(['lost']);
    kit
      .expect((await kit.one.take({ token: reader.token, mode: 'read' })).fence)
      .toBeGreaterThan(reader.fence);
    kit.expect(await ask(reader.token, 'read')).toEqual(['renewed']);
  },

  'another fence takes nothing away': async (kit) => {
    const { fencesPerClaim } = kit.one.store.limits;
    const grant = await kit.one.take();
    for (const fence of [grant.fence - 1, grant.fence + fencesPerClaim + 1])
      kit.expect(await kit.two.store.revoke(kit.key, fence, 0)).toBe(false);
    kit.expect(await kit.two.store.revoke(kit.name('other'), grant.fence, 0)).toBe(false);
    kit.expect(await kit.one.free(grant)).toBe('freed');
    kit.expect(await kit.two.store.revoke(kit.key, grant.fence, 0)).toBe(false);
    kit.expect(kit.one.revoked.length).toBe(0);
  },

  'a writer’s hold is known by the fence of whom it serves, as a renewal told, and by no other': async (
    kit,
  ) => {
    const { fencesPerClaim } = kit.one.store.limits;
    if (fencesPerClaim < 2) return;
    const grant = await kit.one.take();
    kit.expect(await kit.two.store.revoke(kit.key, grant.fence + 1, 0)).toBe(false);
    const serves = { fence: grant.fence + 1, meta: { who: 'the next “one”' } };
    kit
      .expect(await kit.one.store.renew([{ ...renewal(kit.key, grant.token), serves }]))
      .toEqual(['renewed']);
    kit
      .expect(await kit.one.store.renew([{ ...renewal(kit.key, grant.token), sequence: 6 }]))
      .toEqual(['renewed']);
    const [holder] = (await kit.two.store.read(kit.key))!.holders;
    kit.expect([holder!.fence, holder!.meta]).toEqual([serves.fence, serves.meta]);
    for (const fence of [grant.fence, grant.fence + 2])
      kit.expect(await kit.two.store.revoke(kit.key, fence, 0)).toBe(false);
    kit.expect(await kit.two.store.revoke(kit.key, serves.fence, 0)).toBe(true);
    await kit.expectFree();
    const next = await kit.one.take();
    kit.expect(next.fence).toBeGreaterThan(grant.fence + fencesPerClaim);
    kit.expect(await kit.two.store.revoke(kit.key, next.fence, 0)).toBe(true);
  },

  'one reader’s hold is taken away, the others stay': async (kit) => {
    const [first, second] = [await kit.one.take({ mode: 'read' }), await kit.two.take({ mode: 'read' })];
    kit.expect(await kit.one.store.revoke(kit.key, second.fence, 0)).toBe(true);
    await until(() => kit.two.revoked.length > 0, 'a message that the hold was revoked');
    kit.expect(kit.one.revoked.length).toBe(0);
    kit.expect(await kit.two.free(second, { mode: 'read' })).toBe('not-held');
    kit.expect(await kit.one.free(first, { mode: 'read' })).toBe('freed');
  },

  'with grace a hold ends then, and is renewed no more': async (kit) => {
    const grant = await kit.one.take();
    kit.expect(await kit.two.store.revoke(kit.key, grant.fence, 9_000)).toBe(true);
    await until(() => kit.one.revoked.length > 0, 'a message that the hold is being revoked');
    kit.expectBetween(kit.one.revoked[0]!.grace, 9_000 - LATE_MS, 9_000);
    kit.expect((await kit.two.try()).granted).toBe(false);
    const [answer] = await kit.one.store.renew([renewal(kit.key, grant.token)]);
    const { revoked } = answer as { revoked: number };
    kit.expectBetween(revoked, 9_000 - LATE_MS, 9_000);
    kit.expect(await kit.two.store.revoke(kit.key, grant.fence, 300)).toBe(true);
    await sleep(350);
    kit.expect((await kit.two.try()).granted).toBe(true);
    kit.expect(await kit.one.free(grant)).toBe('not-held');
  },

  'a hold may be released under its grace': async (kit) => {
    const grant = await kit.one.take();
    await kit.two.stand('next');
    await kit.two.store.revoke(kit.key, grant.fence, 5_000);
    kit.expect(await kit.one.free(grant)).toBe('freed');
    await kit.two.told('next');
  },

  'grace gives no hold more time than it has': async (kit) => {
    const grant = await kit.one.take({ ttl: 500 });
    await kit.two.store.revoke(kit.key, grant.fence, 60_000);
    const refused = await kit.two.try();
    kit.expectBetween(refused.granted ? 0 : refused.left, 0, 500);
  },

  'the first who waits is told when the grace is over': async (kit) => {
    const grant = await kit.one.take();
    await kit.two.stand('next');
    await kit.one.store.revoke(kit.key, grant.fence, 300);
    await until(() => kit.two.lookIns.length > 0, 'a message that the key will be free');
    kit.expectBetween(kit.two.lookIns[0]!.ms, 1, 300);
    await sleep(350);
    kit.expect((await kit.two.wait({ token: 'next' })).granted).toBe(true);
  },

  'where the first who waits has left, the next one is told when the grace is over': async (kit) => {
    const grant = await kit.one.take();
    await kit.one.stand('a');
    await kit.two.stand('b');
    await kit.two.store.revoke(kit.key, grant.fence, 400);
    kit.expect(kit.two.lookIns).toEqual([]);
    await kit.one.store.leave(kit.key, ['a'], false);
    await until(() => kit.two.lookIns.length > 0, 'a message that the key will be free');
    kit.expectBetween(kit.two.lookIns[0]!.ms, 1, 400);
    await sleep(450);
    kit.expect((await kit.two.wait({ token: 'b' })).granted).toBe(true);
  },

  'a second revocation may shorten the grace': async (kit) => {
    const grant = await kit.one.take({ ttl: 60_000 });
    await kit.two.store.revoke(kit.key, grant.fence, 60_000);
    const refused = await kit.two.try();
    kit.expectBetween(refused.granted ? 0 : refused.left, 60_000 - LATE_MS, 60_000);
    kit.expect(await kit.two.store.revoke(kit.key, grant.fence, 0)).toBe(true);
    kit.expect((await kit.two.try()).granted).toBe(true);
  },
};
