import { type Cases, sleep } from './kit.js';

export const extension: Cases = {
  'an extension can lengthen the time left': async (kit) => {
    const grant = await kit.take({ ttl: 300 });
    kit.expect((await kit.driver.extend(grant, 10_000))?.token).toBe(grant.token);
    await sleep(500);
    kit.expect(await kit.ask()).toBe(null);
    kit.expect(await kit.driver.release(grant)).toBe(true);
  },

  'an extension sets the time left: it can shorten it': async (kit) => {
    const grant = await kit.take({ ttl: 20_000 });
    const { granted } = await kit.queue();
    const extended = await kit.driver.extend(grant, 200);
    kit.expect(extended!.validUntil).toBeLessThanOrEqual(performance.now() + 200);
    await granted;
    kit.expect(await kit.driver.release(grant)).toBe(false);
  },

  'an extension is of one reader, not of all': async (kit) => {
    const first = await kit.take({ mode: 'read', ttl: 200 });
    const second = await kit.take({ mode: 'read', ttl: 200 });
    await kit.driver.extend(first, 10_000);
    await sleep(450);
    kit.expect(await kit.driver.release(second)).toBe(false);
    kit.expect(await kit.driver.release(first)).toBe(true);
  },

  'extending many at once, where offered, answers each in its place': async (kit) => {
    if (!kit.driver.extendMany) return;
    const grants = [
      await kit.take(),
      await kit.take({ key: kit.name('b') }),
      await kit.take({ key: kit.name('c') }),
    ];
    await kit.driver.release(grants[1]!);
    const answers = await kit.driver.extendMany(grants.map((grant) => ({ grant, ttl: 20_000 })));
    const fences = answers.map((answer) => (answer as { fence: number } | null)?.fence);
    kit.expect(fences).toEqual([grants[0]!.fence, undefined, grants[2]!.fence]);
  },
};
