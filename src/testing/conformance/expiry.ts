import { type Cases, sleep } from './kit.js';

// A backend that counts in whole ms may be this early.
const ROUNDING = 2;

export const expiry: Cases = {
  'a hold that is not extended expires': async (kit) => {
    await kit.take({ ttl: 150 });
    kit.expect(await kit.ask()).toBe(null);
    await sleep(400);
    kit.expect(await kit.driver.inspect(kit.key)).toBe(null);
    await kit.expectFree();
  },

  'an expiry lets the next waiter in by itself, and no second one': async (kit) => {
    const asked = performance.now();
    const first = await kit.take({ ttl: 150 });
    const [second, third] = [await kit.queue(), await kit.queue()];
    await second.granted;
    const entered = performance.now();
    kit.expect(entered).toBeGreaterThan(first.validUntil - ROUNDING);
    kit.expect(entered - asked).toBeLessThanOrEqual(3_000);
    await kit.expectPending(third.granted, 200);
  },

  'an expired holder does the next one no harm': async (kit) => {
    const first = await kit.take({ ttl: 150 });
    const second = await kit.take({ wait: 4_000 });
    kit.expect(await kit.driver.extend(first, 10_000)).toBe(null);
    kit.expect(await kit.driver.release(first)).toBe(false);
    kit.expect(await kit.ask()).toBe(null);
    kit.expect((await kit.driver.inspect(kit.key))?.holders[0]?.fence).toBe(second.fence);
    kit.expect(await kit.driver.release(second)).toBe(true);
  },

  'an expired holder that nobody followed has lost its hold all the same': async (kit) => {
    const first = await kit.take({ ttl: 150 });
    await sleep(400);
    kit.expect(await kit.driver.extend(first, 10_000)).toBe(null);
    kit.expect(await kit.driver.release(first)).toBe(false);
    await kit.expectFree();
  },

  'nine who never release follow each other by expiry, in order': async (kit) => {
    const tokens = ['1', '2', '3', '4', '5', '6', '7', '8', '9'];
    const served: string[] = [];
    const asked = tokens.map(async (token, place) => {
      await sleep(place * 30);
      await kit.take({ token, ttl: 150, wait: 4_000 });
      served.push(token);
    });
    await Promise.all(asked);
    kit.expect(served).toEqual(tokens);
  },

  'validUntil counts from before the grant': async (kit) => {
    const grant = await kit.take({ ttl: 5_000 });
    kit.expect(grant.validUntil).toBeLessThanOrEqual(performance.now() + 5_000);
    kit.expect(grant.validUntil).toBeGreaterThan(performance.now());
    const { granted } = await kit.queue({ ttl: 5_000 });
    await kit.driver.release(grant);
    const second = await granted;
    kit.expect(second.validUntil).toBeLessThanOrEqual(performance.now() + 5_000);
    kit.expect(second.validUntil).toBeGreaterThan(performance.now());
    const extended = await kit.driver.extend(second, 8_000);
    kit.expect(extended!.validUntil).toBeLessThanOrEqual(performance.now() + 8_000);
    kit.expect(extended!.validUntil).toBeGreaterThan(second.validUntil);
  },
};
