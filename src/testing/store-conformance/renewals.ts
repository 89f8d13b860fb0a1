import type { LockMode } from '../../lease/driver.js';
import { LATE_MS, type Party, ROUNDING_MS, type StoreCases, type StoreKit, sleep } from './kit.js';

interface Renew {
  readonly ttl: number;
  readonly sequence: number;
  readonly mode?: LockMode;
}

async function renew(party: Party, token: string, { ttl, sequence, mode = 'write' }: Renew) {
  const [answer] = await party.store.renew([{ key: party.key, token, mode, ttl, sequence }]);
  return answer;
}

async function expectLeft(kit: StoreKit, ttl: number): Promise<void> {
  const [holder] = (await kit.two.store.read(kit.key))!.holders;
  kit.expectBetween(holder!.ttl, ttl - LATE_MS, ttl);
}

async function lasts(kit: StoreKit, mode: LockMode): Promise<void> {
  const grant = await kit.one.take({ token: 'a', mode, ttl: 300 });
  const longer = await renew(kit.one, 'a', { ttl: 20_000, sequence: 1, mode });
  // On a machine that stalls, its time may be up before it is renewed.
  const inTime = performance.now() < grant.asOf + 300;
  if (inTime) kit.expect(longer).toBe('renewed');
  else if (longer === 'lost') await kit.one.take({ token: 'a', mode });
  await sleep(350);
  kit.expect((await kit.two.try()).granted).toBe(false);
  const before = performance.now();
  kit.expect(await renew(kit.one, 'a', { ttl: 300, sequence: 2, mode })).toBe('renewed');
  while (!(await kit.two.try()).granted) await sleep(10);
  kit.expectBetween(performance.now() - before, 300 - ROUNDING_MS, 300 + LATE_MS);
}

export const renewals: StoreCases = {
  'a renewal sets the time left': async (kit) => {
    await kit.one.take({ token: 'a', ttl: 10_000 });
    kit.expect(await renew(kit.one, 'a', { ttl: 60_000, sequence: 1 })).toBe('renewed');
    await expectLeft(kit, 60_000);
    kit.expect(await renew(kit.one, 'a', { ttl: 8_000, sequence: 2 })).toBe('renewed');
    await expectLeft(kit, 8_000);
  },

  'a hold that is renewed lasts as long as was asked for': (kit) => lasts(kit, 'write'),

  'a reader that is renewed lasts as long as was asked for': (kit) => lasts(kit, 'read'),

  'a renewal that makes one reader’s time shorter leaves the others theirs': async (kit) => {
    await kit.one.take({ token: 'long', mode: 'read', ttl: 20_000 });
    await kit.one.take({ token: 'brief', mode: 'read', ttl: 20_000 });
    await renew(kit.one, 'brief', { ttl: 100, sequence: 1, mode: 'read' });
    await sleep(200);
    kit.expect((await kit.two.try()).granted).toBe(false);
    kit.expect(await renew(kit.one, 'brief', { ttl: 5_000, sequence: 2, mode: 'read' })).toBe('lost');
    kit.expect(await renew(kit.one, 'long', { ttl: 5_000, sequence: 1, mode: 'read' })).toBe('renewed');
  },

  'a renewal that comes late, with a smaller number or the same, changes nothing': async (kit) => {
    await kit.one.take({ token: 'a' });
    await renew(kit.one, 'a', { ttl: 30_000, sequence: 10 });
    kit.expect(await renew(kit.one, 'a', { ttl: 100, sequence: 9 })).toBe('renewed');
    await expectLeft(kit, 30_000);
    kit.expect(await renew(kit.one, 'a', { ttl: 100, sequence: 10 })).toBe('renewed');
    await expectLeft(kit, 30_000);
    kit.expect(await renew(kit.one, 'a', { ttl: 60_000, sequence: 11 })).toBe('renewed');
    await expectLeft(kit, 60_000);
  },

  'of a reader, too': async (kit) => {
    await kit.one.take({ token: 'a', mode: 'read' });
    await renew(kit.one, 'a', { ttl: 30_000, sequence: 10, mode: 'read' });
    kit.expect(await renew(kit.one, 'a', { ttl: 100, sequence: 9, mode: 'read' })).toBe('renewed');
    await expectLeft(kit, 30_000);
  },

  'a hold whose time is up is lost, although nobody followed': async (kit) => {
    await kit.one.take({ token: 'w', ttl: 50 });
    await sleep(100);
    kit.expect(await renew(kit.one, 'w', { ttl: 5_000, sequence: 1 })).toBe('lost');
    await kit.expectFree();
    await kit.one.take({ token: 'r', mode: 'read', ttl: 50 });
    await sleep(100);
    kit.expect(await renew(kit.one, 'r', { ttl: 5_000, sequence: 1, mode: 'read' })).toBe('lost');
    await kit.expectFree();
  },

  'what was freed, never held, or waits is lost': async (kit) => {
    const grant = await kit.one.take();
    await kit.one.free(grant);
    kit.expect(await renew(kit.one, grant.token, { ttl: 5_000, sequence: 1 })).toBe('lost');
    kit.expect(await renew(kit.one, 'never', { ttl: 5_000, sequence: 1 })).toBe('lost');
    kit.expect(await renew(kit.one, 'never', { ttl: 5_000, sequence: 1, mode: 'read' })).toBe('lost');
    await kit.expectFree();
    await kit.one.take();
    await kit.two.stand('waits');
    kit.expect(await renew(kit.two, 'waits', { ttl: 5_000, sequence: 1 })).toBe('lost');
  },

  'another’s hold is not renewed': async (kit) => {
    await kit.one.take({ token: 'owner', ttl: 8_000 });
    kit.expect(await renew(kit.two, 'other', { ttl: 60_000, sequence: 1 })).toBe('lost');
    await expectLeft(kit, 8_000);
  },

  'of many at once, each has its own answer, in the order of asking': async (kit) => {
    const size = kit.one.store.limits.renewBatch;
    const names = Array.from({ length: size }, (_, n) => kit.name(`many-${n}`));
    const mode = (n: number): LockMode => (n % 2 ? 'read' : 'write');
    await Promise.all(
      names.map((key, n) => n % 3 && kit.one.take({ key, token: 't', mode: mode(n), ttl: 20_000 })),
    );
    const batch = names.map((key, n) => ({ key, token: 't', mode: mode(n), ttl: 60_000, sequence: 1 }));
    const expected = names.map((_, n) => (n % 3 ? 'renewed' : 'lost'));
    kit.expect(await kit.one.store.renew(batch)).toEqual(expected);
    const renewed = await kit.two.store.read(names[1]!);
    kit.expectBetween(renewed!.holders[0]!.ttl, 60_000 - LATE_MS, 60_000);
    kit.expect(await kit.two.store.read(names[0]!)).toBe(null);
  },
};
