import type { AcquireRequest, Grant } from '../../lease/driver.js';
import { type Cases, handled, type Kit, LONG, ROUNDING, reasonOf, SLACK, sleep } from './kit.js';

/** Registered for every driver; those without `revoke` have nothing to show. */
export const revocation: Cases = {
  'revoking compares the fence: neither a free key nor the next holder is hit': async (kit) => {
    const { revoke } = revoking(kit);
    if (!revoke) return;
    kit.expect(await revoke(1)).toBe(false);
    const first = await holder(kit);
    const next = handled(holder(kit, { wait: LONG }));
    await kit.expectWaiters(1);
    kit.expect(await revoke(first.grant.fence - 1)).toBe(false);
    kit.expect(await kit.driver.release(first.grant)).toBe(true);
    const victim = await next;
    for (const fence of [first.grant.fence, victim.grant.fence - 1, victim.grant.fence + 1_000_000_000])
      kit.expect(await revoke(fence)).toBe(false);
    await sleep(50);
    kit.expect([first.told, victim.told]).toEqual([[], []]);
    kit.expect(await kit.driver.release(victim.grant)).toBe(true);
    kit.expect(await revoke(victim.grant.fence)).toBe(false);
    await kit.expectFree();
  },

  'a revoked holder is told, and holds nothing any more': async (kit) => {
    const { revoke } = revoking(kit);
    if (!revoke) return;
    const victim = await holder(kit, { token: 'victim' });
    kit.expect(await revoke(victim.grant.fence)).toBe(true);
    await victim.untilTold();
    kit.expect(victim.told).toEqual([0]);
    kit.expect(await kit.driver.extend(victim.grant, 10_000)).toBe(null);
    kit.expect(await kit.driver.release(victim.grant)).toBe(false);
    kit.expect(await revoke(victim.grant.fence)).toBe(false);
    await kit.untilFree();
    kit.expect((await kit.take({ token: 'victim' })).fence).toBeGreaterThan(victim.grant.fence);
  },

  'the next waiter gets a revoked key, under a larger fence': async (kit) => {
    const { revoke } = revoking(kit);
    if (!revoke) return;
    const first = await kit.take();
    const { granted } = await kit.queue();
    const second = handled(holder(kit, { wait: LONG }));
    kit.expect(await revoke(first.fence)).toBe(true);
    const next = await granted;
    kit.expect(next.fence).toBeGreaterThan(first.fence);
    kit.expect(await kit.driver.release(first)).toBe(false);
    kit.expect(await revoke(next.fence)).toBe(true);
    const last = await second;
    kit.expect(last.grant.fence).toBeGreaterThan(next.fence);
    kit.expect(last.told).toEqual([]);
    kit.expect(await revoke(last.grant.fence)).toBe(true);
    await last.untilTold();
    await kit.expectFree();
  },

  'revoking one reader leaves the others': async (kit) => {
    const { revoke } = revoking(kit);
    if (!revoke) return;
    const readers = [
      await holder(kit, { mode: 'read' }),
      await holder(kit, { mode: 'read', limit: 3 }),
      await holder(kit, { mode: 'read' }),
    ];
    kit.expect(await kit.ask({ mode: 'read', limit: 3 })).toBe(null);
    kit.expect(await revoke(readers[1]!.grant.fence)).toBe(true);
    await readers[1]!.untilTold();
    kit.expect(await kit.driver.release(readers[1]!.grant)).toBe(false);
    kit.expect(await kit.ask()).toBe(null);
    await kit.take({ mode: 'read', limit: 3 });
    for (const { grant, told } of [readers[0]!, readers[2]!]) {
      kit.expect(told).toEqual([]);
      kit.expect(await kit.driver.release(grant)).toBe(true);
    }
  },

  'a holder may release within the grace, and the next waiter enters then': async (kit) => {
    const { revoke } = revoking(kit);
    if (!revoke) return;
    const victim = await holder(kit);
    const { granted } = await kit.queue();
    const revoked = handled(revoke(victim.grant.fence, 8_000));
    await victim.untilTold();
    kit.expect(victim.told[0]!).toBeGreaterThan(0);
    kit.expect(victim.told[0]!).toBeLessThanOrEqual(8_000);
    await kit.expectPending(granted);
    kit.expect(await kit.driver.release(victim.grant)).toBe(true);
    const released = performance.now();
    kit.expect((await granted).fence).toBeGreaterThan(victim.grant.fence);
    kit.expect(performance.now() - released).toBeLessThanOrEqual(SLACK);
    kit.expect(await revoked).toBe(true);
  },

  'a holder loses its hold at the end of the grace, and cannot extend it before': async (kit) => {
    const { revoke } = revoking(kit);
    if (!revoke) return;
    const victim = await holder(kit);
    const { granted } = await kit.queue();
    const asked = performance.now();
    const revoked = handled(revoke(victim.grant.fence, 600));
    await victim.untilTold();
    kit.expect(await kit.driver.extend(victim.grant, 60_000)).toBe(null);
    kit.expect((await granted).fence).toBeGreaterThan(victim.grant.fence);
    kit.expect(performance.now() - asked).toBeGreaterThan(600 - ROUNDING);
    kit.expect(performance.now() - asked).toBeLessThanOrEqual(600 + SLACK);
    kit.expect(await revoked).toBe(true);
    kit.expect(await kit.driver.release(victim.grant)).toBe(false);
  },

  'a grace does not prolong a hold that ends before': async (kit) => {
    const { revoke } = revoking(kit);
    if (!revoke) return;
    const victim = await holder(kit, { ttl: 400 });
    const { granted } = await kit.queue();
    const asked = performance.now();
    const revoked = reasonOf(revoke(victim.grant.fence, 20_000));
    await granted;
    kit.expect(performance.now() - asked).toBeLessThanOrEqual(400 + SLACK);
    kit.expect(await revoked).toBe(undefined);
  },

  'a holder that releases or expires is told of no revocation': async (kit) => {
    const { revoke } = revoking(kit);
    if (!revoke) return;
    const released = await holder(kit);
    await kit.driver.release(released.grant);
    const expired = await holder(kit, { ttl: 300 });
    await sleep(500);
    kit.expect([released.told, expired.told]).toEqual([[], []]);
  },
};

function revoking({ driver, key }: Kit) {
  return { revoke: driver.revoke && ((fence: number, grace?: number) => driver.revoke!(key, fence, grace)) };
}

interface Holder {
  readonly grant: Grant;
  /** The graces that it was told. */
  readonly told: number[];
  untilTold(): Promise<void>;
}

/** One who holds the key, and notes that it is revoked. */
export async function holder(kit: Kit, request: Partial<AcquireRequest> = {}): Promise<Holder> {
  const told: number[] = [];
  const grant = await kit.take({ ...request, onRevoked: (grace) => void told.push(grace) });
  return {
    grant,
    told,
    async untilTold() {
      for (const end = performance.now() + SLACK; told.length === 0 && performance.now() < end; )
        await sleep(5);
      // It may be told again by one who knows better.
      kit.expect(told.length).toBeGreaterThan(0);
    },
  };
}
