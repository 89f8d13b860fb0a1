import type { Cases } from './kit.js';

export const ownership: Cases = {
  'another token neither releases nor extends a hold': async (kit) => {
    const grant = await kit.take({ token: 'job-12' });
    for (const token of ['job-1', 'job-123', 'JOB-12', '*']) {
      kit.expect(await kit.driver.release({ ...grant, token })).toBe(false);
      kit.expect(await kit.driver.extend({ ...grant, token }, 60_000)).toBe(null);
    }
    kit.expect(await kit.ask()).toBe(null);
    kit.expect(await kit.driver.release(grant)).toBe(true);
  },

  'a token that is the beginning of the owner’s obtains nothing': async (kit) => {
    await kit.take({ token: 'job-12' });
    kit.expect(await kit.ask({ token: 'job-1' })).toBe(null);
    kit.expect(await kit.ask({ token: 'job-123' })).toBe(null);
  },

  'asking again with the owner’s token is asking once': async (kit) => {
    const grant = await kit.take({ token: 'owner' });
    kit.expect((await kit.take({ token: 'owner' })).fence).toBe(grant.fence);
    kit.expect((await kit.take({ token: 'owner', wait: 1_000 })).fence).toBe(grant.fence);
    kit.expect(await kit.driver.release(grant)).toBe(true);
    await kit.expectFree();
  },

  'asking again with a reader’s token is asking once, also at the same time': async (kit) => {
    const asked = [1, 2, 3].map(() => kit.take({ token: 'reader', mode: 'read', wait: 1_000 }));
    const grants = await Promise.all(asked);
    for (const { fence } of grants) kit.expect(fence).toBe(grants[0]!.fence);
    kit.expect(await kit.driver.release(grants[0]!)).toBe(true);
    await kit.expectFree();
  },

  'asking again beside a reader that lasts longer reports one’s own time': async (kit) => {
    await kit.take({ mode: 'read', ttl: 60_000 });
    const brief = { token: 'brief', mode: 'read', ttl: 10_000 } as const;
    const first = await kit.take(brief);
    await kit.take({ mode: 'read', ttl: 60_000 });
    for (const again of [await kit.take(brief), await kit.take({ ...brief, wait: 1_000 })]) {
      kit.expect(again.fence).toBe(first.fence);
      kit.expect(again.validUntil - performance.now()).toBeGreaterThan(0);
      kit.expect(again.validUntil - performance.now()).toBeLessThanOrEqual(10_000);
    }
  },

  'releasing twice answers false the second time': async (kit) => {
    const grant = await kit.take();
    kit.expect(await kit.driver.release(grant)).toBe(true);
    kit.expect(await kit.driver.release(grant)).toBe(false);
    await kit.expectFree();
  },

  'a released hold cannot be extended, nor taken back by its release': async (kit) => {
    const first = await kit.take();
    await kit.driver.release(first);
    kit.expect(await kit.driver.extend(first, 10_000)).toBe(null);
    const second = await kit.take();
    kit.expect(await kit.driver.release(first)).toBe(false);
    kit.expect(await kit.driver.extend(first, 10_000)).toBe(null);
    kit.expect(await kit.driver.release(second)).toBe(true);
  },
};
