import { type Cases, LONG, sleep } from './kit.js';

export const fences: Cases = {
  'fences are safe integers above 0 that grow with every new owner': async (kit) => {
    let last = 0;
    for (let round = 0; round < 20; round++) {
      const grant = await kit.take({ mode: round % 3 === 0 ? 'read' : 'write' });
      kit.expect(Number.isSafeInteger(grant.fence)).toBe(true);
      kit.expect(grant.fence).toBeGreaterThan(last);
      last = grant.fence;
      await kit.driver.release(grant);
    }
  },

  'a fence grows when a hold is handed to a waiter': async (kit) => {
    const first = await kit.take();
    const { granted } = await kit.queue();
    await kit.driver.release(first);
    kit.expect((await granted).fence).toBeGreaterThan(first.fence);
  },

  'a fence grows when a hold has expired, also for the same token': async (kit) => {
    const first = await kit.take({ token: 'owner', ttl: 300 });
    const second = await kit.take({ token: 'rival', ttl: 300, wait: LONG });
    kit.expect(second.fence).toBeGreaterThan(first.fence);
    const third = await kit.take({ token: 'owner', wait: LONG });
    kit.expect(third.fence).toBeGreaterThan(second.fence);
  },

  'a fence grows when a hold has expired and nobody waited, also for the same token': async (kit) => {
    let last = 0;
    for (const token of ['owner', 'rival', 'rival']) {
      const { fence } = await kit.take({ token, ttl: 200 });
      kit.expect(fence).toBeGreaterThan(last);
      last = fence;
      await sleep(180);
      await kit.untilFree();
    }
    kit.expect((await kit.take()).fence).toBeGreaterThan(last);
  },

  'a fence grows beyond that of other keys which the hold was used under': async (kit) => {
    const first = await kit.take();
    const { granted } = await kit.queue();
    const used = first.fence + 60_000_000;
    await kit.driver.release({ ...first, fence: used });
    const second = await granted;
    kit.expect(second.fence).toBeGreaterThan(used);
    await kit.driver.release(second);
    kit.expect((await kit.take()).fence).toBeGreaterThan(second.fence);
  },

  'an extension keeps the fence': async (kit) => {
    const grant = await kit.take();
    kit.expect((await kit.driver.extend(grant, 20_000))?.fence).toBe(grant.fence);
  },

  'readers together have a fence each': async (kit) => {
    const grants = [await kit.take({ mode: 'read' }), await kit.take({ mode: 'read' })];
    kit.expect(grants[1]!.fence).toBeGreaterThan(grants[0]!.fence);
  },
};
