import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { LockDriver } from '../../../src/lease/driver.js';
import { canStepClocks, SteppedClock } from '../../support/stepped-clock.js';
import { sleep, until } from '../../support/wait.js';
import { ask, freshKey, take, timed } from './calls.js';

const HOUR = 3_600_000;

interface Backend {
  open(): Promise<LockDriver>;
  /** ms since 1970, by the server. */
  now(): Promise<number>;
  stop(): Promise<void>;
}

/** What a step of the server's clock does. `start` starts a server in this environment; `closeAll` closes the drivers. */
export function clockSuite(
  start: (env: Readonly<Record<string, string>>) => Promise<Backend>,
  closeAll: () => Promise<void>,
): void {
  (canStepClocks() ? describe : describe.skip)('when the clock of the server steps', () => {
    let clock: SteppedClock;
    let backend: Backend;
    let key: string;
    const open = () => backend.open();

    beforeAll(async () => {
      clock = await SteppedClock.make();
      backend = await start(clock.env);
    });
    afterAll(async () => {
      await backend.stop();
      await clock.remove();
    });
    beforeEach(async () => {
      await clock.step(0);
      key = freshKey();
    });
    afterEach(closeAll);

    test('the clock of the test does step, and back', async () => {
      const ahead = async () => (await backend.now()) - Date.now();
      expect(Math.abs(await ahead())).toBeLessThan(5_000);
      await clock.step(HOUR);
      expect(await ahead()).toBeGreaterThan(HOUR - 5_000);
      await clock.step(-HOUR);
      expect(await ahead()).toBeLessThan(5_000 - HOUR);
    });

    test('forward, leases end early: the next one is let in, and the holder learns it at its next renewal', async () => {
      const [one, two] = [await open(), await open()];
      const held = await take(one, key, { ttl: 20_000 });
      expect(await ask(two, key)).toBe(null);
      await clock.step(HOUR);
      const next = await take(two, key);
      expect(next.fence).toBeGreaterThan(held.fence);
      expect(await one.extend(held, 20_000)).toBe(null);
      expect(await one.release(held)).toBe(false);
      expect(await two.release(next)).toBe(true);
    });

    test('forward, all who wait are let in, one after the other', async () => {
      const [one, two] = [await open(), await open()];
      const held = await take(one, key, { ttl: 60_000 });
      const inside = { now: 0, most: 0 };
      const waiting = [one, two, one, two].map(async (driver) => {
        const grant = await take(driver, key, { wait: 20_000, ttl: 60_000 });
        inside.most = Math.max(inside.most, ++inside.now);
        await sleep(5);
        inside.now -= 1;
        return driver.release(grant);
      });
      await until(async () => (await one.inspect(key))?.waiters === 4);
      await clock.step(HOUR);
      const { ran, value } = await timed(Promise.all(waiting));
      expect(value).toEqual([true, true, true, true]);
      expect(inside.most).toBe(1);
      expect(ran).toBeLessThan(10_000);
      expect(await one.release(held)).toBe(false);
    });

    test('back, a lease that is renewed goes on, is handed over when it is released, and fences grow', async () => {
      const [one, two] = [await open(), await open()];
      await clock.step(HOUR);
      const held = await take(one, key, { ttl: 20_000 });
      const waiting = take(two, key, { wait: 20_000 });
      await until(async () => (await one.inspect(key))?.waiters === 1);
      await clock.step(0);
      const extended = (await one.extend(held, 20_000))!;
      expect(extended.fence).toBe(held.fence);
      const left = (await two.inspect(key))!.holders[0]!.ttl!;
      expect(left).toBeGreaterThan(15_000);
      expect(left).toBeLessThanOrEqual(20_000);
      expect(await one.release(extended)).toBe(true);
      const next = await waiting;
      expect(next.fence).toBeGreaterThan(held.fence);
      expect(await two.release(next)).toBe(true);
      const last = await take(one, key);
      expect(last.fence).toBeGreaterThan(next.fence);
      expect(await one.release(last)).toBe(true);
    });
  });
}
