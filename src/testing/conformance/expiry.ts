import type { Grant } from '../../lease/driver.js';
import { type Cases, handled, type Kit, LONG, ROUNDING, readLate, runTime, SLACK, sleep } from './kit.js';

export const expiry: Cases = {
  'a hold that is not extended expires': async (kit) => {
    const before = performance.now();
    const { validUntil } = await kit.take({ ttl: 400 });
    await kit.untilFree();
    kit.expect(performance.now()).toBeGreaterThan(validUntil - ROUNDING);
    kit.expect(performance.now() - before).toBeLessThanOrEqual(400 + SLACK);
    await kit.expectFree();
  },

  'an expiry lets the next waiter in by itself, and no second one': async (kit) => {
    const asked = performance.now();
    const first = await kit.take({ ttl: 300 });
    const [second, third] = [await kit.queue(), await kit.queue()];
    await second.granted;
    const entered = performance.now();
    kit.expect(entered).toBeGreaterThan(first.validUntil - ROUNDING);
    kit.expect(entered - asked).toBeLessThanOrEqual(300 + SLACK);
    await kit.expectPending(third.granted, 200);
  },

  'an expired holder does the next one no harm': async (kit) => {
    const first = await kit.take({ ttl: 300 });
    const second = await kit.take({ wait: LONG });
    kit.expect(await kit.driver.extend(first, 10_000)).toBe(null);
    kit.expect(await kit.driver.release(first)).toBe(false);
    kit.expect(await kit.ask()).toBe(null);
    kit.expect((await kit.driver.inspect(kit.key))?.holders[0]?.fence).toBe(second.fence);
    kit.expect(await kit.driver.release(second)).toBe(true);
  },

  'an expired hold cannot be extended, from the first moment on': async (kit) => {
    kit.expect(await kit.driver.extend(await expired(kit), 10_000)).toBe(null);
    await kit.expectToStayFree();
  },

  'an expired hold cannot be extended among many, from the first moment on': async (kit) => {
    if (!kit.driver.extendMany) return;
    const live = await kit.take({ key: kit.name('live') });
    const extensions = [await expired(kit), live].map((grant) => ({ grant, ttl: 10_000 }));
    const [gone, kept] = await kit.driver.extendMany(extensions);
    kit.expect(gone).toBe(null);
    kit.expect((kept as Grant).fence).toBe(live.fence);
    await kit.expectToStayFree();
  },

  'the release of an expired hold answers false, from the first moment on': async (kit) => {
    kit.expect(await kit.driver.release(await expired(kit))).toBe(false);
    await kit.expectFree();
  },

  'five who never release follow each other by expiry, in order': async (kit) => {
    const tokens = ['1', '2', '3', '4', '5'];
    const served: string[] = [];
    const all: Promise<unknown>[] = [];
    const time = runTime();
    try {
      for (const token of tokens) {
        const { granted } = await kit.queue({ token, ttl: 300 });
        all.push(handled(granted.then(() => served.push(token))));
      }
      await Promise.all(all);
    } finally {
      time.stop();
    }
    // Whoever stood still while it had the key has lost it, and its place.
    kit.expect(time.stoodStill ? [...served].sort() : served).toEqual(tokens);
  },

  'validUntil counts from before the grant': async (kit) => {
    const grant = await kit.take({ ttl: 10_000 });
    expectWithin(kit, grant, 10_000);
    const { granted } = await kit.queue({ ttl: 10_000 });
    await kit.driver.release(grant);
    const second = await granted;
    expectWithin(kit, second, 10_000);
    const extended = await kit.driver.extend(second, 16_000);
    expectWithin(kit, extended!, 16_000);
    kit.expect(extended!.validUntil).toBeGreaterThan(second.validUntil);
  },

  'validUntil of a hold has passed when the next holder is granted the key': async (kit) => {
    const first = await kit.take({ ttl: 300 });
    const waiting = [await kit.queue({ ttl: 300 }), await kit.queue({ ttl: 300 })];
    const next = await Promise.all(
      waiting.map(({ granted }) => granted.then((grant) => ({ ...grant, at: performance.now() }))),
    );
    let { validUntil } = first;
    for (const grant of next.sort((a, b) => a.fence - b.fence)) {
      kit.expect(grant.at).toBeGreaterThan(validUntil - ROUNDING);
      validUntil = grant.validUntil;
    }
  },

  'validUntil counts from before the grant, also where the answer is read late': async (kit) => {
    const { driver } = kit;
    const ttl = 10_000;
    for (let turns = 0; turns < 3; turns++) {
      const key = kit.name(`read late ${turns}`);
      const grant = await readLate(kit.take({ key, ttl }), turns);
      await expectStoredAsLong(kit, grant);
      const { granted } = await kit.queue({ key, ttl });
      const released = handled(driver.release(grant));
      const next = await readLate(granted, turns);
      await expectStoredAsLong(kit, next);
      kit.expect(await released).toBe(true);
      const extended = await readLate(driver.extend(next, ttl), turns);
      await expectStoredAsLong(kit, extended!);
      kit.expect(await driver.release(next)).toBe(true);
    }
  },

  'a waiter’s ttl counts from the grant, not from the asking': async (kit) => {
    const first = await kit.take();
    const { granted } = await kit.queue({ ttl: 20_000 });
    await sleep(900);
    const released = performance.now();
    await kit.driver.release(first);
    expectWithin(kit, await granted, 20_000);
    const { ttl } = (await kit.driver.inspect(kit.key))!.holders[0]!;
    kit.expect(ttl).toBeGreaterThan(20_000 - (performance.now() - released) - 200);
    kit.expect(ttl).toBeLessThanOrEqual(20_000);
  },
};

/** A hold whose time has just run out, while nobody waited. */
async function expired(kit: Kit): Promise<Grant> {
  const grant = await kit.take({ ttl: 300 });
  await sleep(250);
  await kit.untilFree();
  kit.expect(performance.now()).toBeGreaterThan(grant.validUntil - ROUNDING);
  return grant;
}

function expectWithin(kit: Kit, { validUntil }: Grant, ttl: number): void {
  kit.expect(validUntil - performance.now()).toBeGreaterThan(0);
  kit.expect(validUntil - performance.now()).toBeLessThanOrEqual(ttl);
}

/** That the backend has the hold no shorter than its holder believes. */
async function expectStoredAsLong(kit: Kit, { key, validUntil }: Grant): Promise<void> {
  const { ttl } = (await kit.driver.inspect(key))!.holders[0]!;
  kit.expect(validUntil).toBeLessThanOrEqual(performance.now() + ttl + ROUNDING);
}
