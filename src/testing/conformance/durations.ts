import { type Cases, sleep } from './kit.js';

// More than 2^31 ms, at which Node's timers fire at once.
const MONTH = 30 * 24 * 3_600_000;
// What a driver may take off for clocks that differ.
const ALMOST = 0.99 * MONTH;

export const durations: Cases = {
  'a wait of a month does not end at once': async (kit) => {
    const first = await kit.take();
    const waiting = [await kit.queue({ wait: MONTH }), await kit.queue({ wait: MONTH, mode: 'read' })];
    await kit.expectPending(Promise.race(waiting.map(({ granted }) => granted)), 150);
    kit.expect(await kit.driver.release(first)).toBe(true);
    for (const { granted } of waiting) kit.expect(await kit.driver.release(await granted)).toBe(true);
  },

  'a hold of a month does not end at once': async (kit) => {
    const grants = [
      await kit.take({ ttl: MONTH }),
      await kit.take({ ttl: MONTH, key: kit.name('read'), mode: 'read' }),
    ];
    await sleep(100);
    for (const { key, validUntil } of grants) {
      kit.expect(await kit.ask({ key })).toBe(null);
      kit.expect((await kit.driver.inspect(key))!.holders[0]!.ttl).toBeGreaterThan(ALMOST);
      kit.expect(validUntil - performance.now()).toBeGreaterThan(ALMOST);
      kit.expect(validUntil - performance.now()).toBeLessThanOrEqual(MONTH);
    }
    for (const grant of grants) kit.expect(await kit.driver.release(grant)).toBe(true);
  },

  'an extension by a month does not end at once': async (kit) => {
    const grant = await kit.take({ ttl: 5_000 });
    const extended = await kit.driver.extend(grant, MONTH);
    kit.expect(extended!.validUntil - performance.now()).toBeGreaterThan(ALMOST);
    await sleep(100);
    kit.expect(await kit.ask()).toBe(null);
    kit.expect(await kit.driver.release(grant)).toBe(true);
  },

  'a hold of a millisecond leaves nothing': async (kit) => {
    // A backend that is further away than that may fail it.
    await kit.ask({ ttl: 1 }).catch(() => {});
    await kit.expectFree();
  },
};
