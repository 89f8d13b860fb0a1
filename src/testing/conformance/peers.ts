import { BRIEF, handled, type Kit, LONG, ROUNDING, reasonOf, SLACK, sleep } from './kit.js';
import { Queue } from './order.js';
import { holder } from './revocation.js';

/** One thing that two drivers on one backend do. `peer` has the keys of `kit`. */
export type PeerCases = Record<string, (kit: Kit, peer: Kit) => Promise<void>>;

export const peers: PeerCases = {
  'waiters of a busy driver and of an idle one are served in the order of asking': async (kit, peer) => {
    const first = await kit.take();
    const queue = new Queue(kit);
    for (const name of ['1', '2', '3', '4', '5']) await queue.add(name);
    await queue.add('6', {}, peer);
    await queue.add('7');
    await queue.add('8', { mode: 'read' });
    await queue.add('9', {}, peer);
    await queue.add('10');
    await kit.driver.release(first);
    kit.expect(await queue.served(10)).toEqual(['1', '2', '3', '4', '5', '6', '7', '8', '9', '10']);
    await peer.expectFree();
  },

  'a writer behind readers of its own driver is not overtaken by the other driver': async (kit, peer) => {
    const reader = await kit.take({ mode: 'read' });
    const queue = new Queue(kit);
    await queue.add('1');
    await queue.add('2', { mode: 'read' }, peer);
    await queue.add('3', {}, peer);
    kit.expect(await peer.ask({ mode: 'read' })).toBe(null);
    await kit.driver.release(reader);
    kit.expect(await queue.served(3)).toEqual(['1', '2', '3']);
  },

  'a try in one driver does not overtake a waiter of the other': async (kit, peer) => {
    const first = await kit.take();
    const { granted } = await peer.queue();
    const [, ...newcomers] = await Promise.all([
      kit.driver.release(first),
      kit.ask(),
      kit.ask({ wait: BRIEF }),
    ]);
    kit.expect(newcomers).toEqual([null, null]);
    kit.expect(await peer.driver.release(await granted)).toBe(true);
  },

  'a hold passes from driver to driver long before its ttl is over': async (kit, peer) => {
    let at = kit;
    let hold = await kit.take({ ttl: 60_000 });
    for (const next of [peer, kit, kit, peer, peer, kit]) {
      const { granted } = await next.queue({ ttl: 60_000 });
      const released = performance.now();
      kit.expect(await at.driver.release(hold)).toBe(true);
      const grant = await granted;
      kit.expect(performance.now() - released).toBeLessThanOrEqual(SLACK);
      kit.expect(grant.fence).toBeGreaterThan(hold.fence);
      hold = grant;
      at = next;
    }
  },

  'a hold that one driver extends is not given away by the other, until it expires': async (kit, peer) => {
    for (;;) {
      const grant = await kit.take({ ttl: 400 });
      const { granted } = await peer.queue();
      const extended = await kit.driver.extend(grant, 1_200);
      // The machine stalled until its time was up.
      const late = !extended && performance.now() >= grant.validUntil;
      kit.expect((await granted).fence).toBeGreaterThan(grant.fence);
      if (!late) kit.expect(performance.now()).toBeGreaterThan(extended!.validUntil - ROUNDING);
      kit.expect(await kit.driver.extend(grant, 1_000)).toBe(null);
      kit.expect(await kit.driver.release(grant)).toBe(false);
      if (!late) return;
      kit.expect(await peer.driver.release(await granted)).toBe(true);
    }
  },

  'both drivers show the same holders and waiters': async (kit, peer) => {
    await kit.take({ mode: 'read', meta: { n: '1' } });
    await peer.take({ mode: 'read', limit: 5, meta: { n: '2' } });
    await peer.queue({ meta: { n: '3' } });
    await kit.queue({ mode: 'read', meta: { n: '4' } });
    const [one, other] = [await kit.driver.inspect(kit.key), await peer.driver.inspect(kit.key)];
    kit.expect(one!.waiters).toBe(2);
    kit.expect(one!.waiting.map(({ meta }) => meta)).toEqual([{ n: '3' }, { n: '4' }]);
    const { holders: _, ...others } = other!;
    const { holders, ...rest } = one!;
    kit.expect(rest).toEqual(others);
    kit.expect(holders.map(({ meta }) => meta.n).sort()).toEqual(['1', '2']);
  },

  'a key rests for both drivers': async (kit, peer) => {
    await kit.driver.release(await kit.take(), 20_000);
    kit.expect(await peer.ask()).toBe(null);
    const key = kit.name('soon free');
    const before = performance.now();
    await kit.driver.release(await kit.take({ key }), 400);
    await peer.take({ key, wait: LONG });
    kit.expect(performance.now() - before).toBeGreaterThan(398);
    kit.expect(performance.now() - before).toBeLessThanOrEqual(400 + SLACK);
  },

  'a holder in one driver is told when the other one revokes its hold': async (kit, peer) => {
    if (!peer.driver.revoke) return;
    const victim = await holder(kit);
    const { granted } = await kit.queue();
    kit.expect(await peer.driver.revoke(kit.key, victim.grant.fence)).toBe(true);
    await victim.untilTold();
    kit.expect((await granted).fence).toBeGreaterThan(victim.grant.fence);
    kit.expect(await kit.driver.release(victim.grant)).toBe(false);
  },

  'a driver that revokes by the fence of the last holder does not hit the next one in the other driver':
    async (kit, peer) => {
      if (!peer.driver.revoke) return;
      const first = await kit.take();
      const next = handled(holder(kit, { wait: LONG }));
      await kit.expectWaiters(1);
      await kit.driver.release(first);
      const victim = await next;
      kit.expect(await peer.driver.revoke(kit.key, first.fence)).toBe(false);
      await sleep(50);
      kit.expect(victim.told).toEqual([]);
      kit.expect(await kit.driver.release(victim.grant)).toBe(true);
    },

  'a driver that closes gives up its places, and leaves the other’s holds and waiters': async (kit, peer) => {
    const held = await kit.take();
    const gone = reasonOf(peer.take({ wait: LONG }));
    await kit.expectWaiters(1);
    const { granted } = await kit.queue();
    await peer.driver.close();
    kit.expect(((await gone) as { code?: string }).code).toBe('LOCK_CLOSED');
    await kit.expectWaiters(1);
    kit.expect((await kit.driver.extend(held, 10_000))?.fence).toBe(held.fence);
    const released = performance.now();
    kit.expect(await kit.driver.release(held)).toBe(true);
    const next = await granted;
    kit.expect(performance.now() - released).toBeLessThanOrEqual(SLACK);
    kit.expect(await kit.driver.release(next)).toBe(true);
    await kit.expectFree();
  },
};

/** What holds when the driver of `peer` ends as a killed process does. */
export const crashes: Record<string, (kit: Kit, peer: Kit, crash: () => Promise<void>) => Promise<void>> = {
  'the hold of a crashed driver ends with its ttl, and its waiters hold up nobody': async (
    kit,
    peer,
    crash,
  ) => {
    const { validUntil, fence } = await peer.take({ ttl: 600 });
    await peer.queue({ ttl: 600, wait: 60_000 });
    await peer.queue({ ttl: 600, wait: 60_000, mode: 'read' });
    const { granted } = await kit.queue({ wait: LONG });
    await crash();
    const next = await granted;
    kit.expect(performance.now()).toBeGreaterThan(validUntil - ROUNDING);
    kit.expect(next.fence).toBeGreaterThan(fence);
    kit.expect(await kit.driver.release(next)).toBe(true);
  },

  'the waiters of a crashed driver do not keep tries out for long': async (kit, peer, crash) => {
    await peer.take({ ttl: 300 });
    for (let n = 0; n < 3; n++) await peer.queue({ ttl: 300, wait: 60_000 });
    await crash();
    const started = performance.now();
    let next = await kit.ask();
    for (; !next && performance.now() - started < LONG; next = await kit.ask()) await sleep(50);
    kit.expect(next?.key).toBe(kit.key);
  },
};
