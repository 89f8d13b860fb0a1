import type { Grant } from '../../lease/driver.js';
import { type Cases, type Kit, SLACK, sleep } from './kit.js';

export const extension: Cases = {
  'an extension can lengthen the time left': async (kit) => {
    const grant = await kit.extended(300, 10_000);
    await sleep(500);
    kit.expect(await kit.ask()).toBe(null);
    kit.expect(await kit.driver.release(grant)).toBe(true);
  },

  'an extension sets the time left: it can shorten it': async (kit) => {
    const grant = await kit.take({ ttl: 20_000 });
    await shorten(kit, grant);
    await sleep(400);
    kit.expect(await kit.driver.inspect(kit.key)).toBe(null);
    kit.expect(await kit.driver.release(grant)).toBe(false);
  },

  'a shorter time left admits the waiters, one after the other': async (kit) => {
    const grant = await kit.take({ ttl: 20_000 });
    const [second, third] = [await kit.queue(), await kit.queue()];
    const asked = performance.now();
    await shorten(kit, grant);
    const next = await second.granted;
    kit.expect(performance.now() - asked).toBeLessThanOrEqual(200 + SLACK);
    kit.expect(await kit.driver.release(grant)).toBe(false);
    await kit.expectPending(third.granted);
    kit.expect(await kit.driver.release(next)).toBe(true);
    await third.granted;
  },

  'a longer extension of one reader keeps no other': async (kit) => {
    const first = await kit.take({ mode: 'read' });
    const second = await kit.take({ mode: 'read', ttl: 300 });
    await kit.driver.extend(first, 20_000);
    await sleep(550);
    kit.expect(await kit.driver.release(second)).toBe(false);
    kit.expect(await kit.driver.release(first)).toBe(true);
  },

  'a shorter extension of one reader shortens no other': async (kit) => {
    const first = await kit.take({ mode: 'read' });
    const second = await kit.take({ mode: 'read' });
    await shorten(kit, first);
    await sleep(450);
    kit.expect(await kit.ask()).toBe(null);
    kit.expect(await kit.driver.release(first)).toBe(false);
    kit.expect(await kit.driver.release(second)).toBe(true);
  },

  'an extension of a brief reader does not end what a long one holds': async (kit) => {
    const long = await kit.take({ mode: 'read' });
    await kit.extended(300, 300, { mode: 'read' });
    await sleep(500);
    kit.expect(await kit.ask()).toBe(null);
    kit.expect(await kit.driver.release(long)).toBe(true);
    await kit.expectFree();
  },

  'readers that are extended hold on, beyond two of their ttls': async (kit) => {
    while (!(await holdOn(kit))) await kit.untilFree();
    await kit.expectFree();
  },

  'extending many at once, where offered, answers each in its place': async (kit) => {
    if (!kit.driver.extendMany) return;
    const grants = [
      await kit.take(),
      await kit.take({ key: kit.name('b'), mode: 'read' }),
      await kit.take({ key: kit.name('c') }),
      await kit.take({ key: kit.name('b'), mode: 'read' }),
    ];
    await kit.driver.release(grants[2]!);
    const answers = await kit.driver.extendMany(grants.map((grant) => ({ grant, ttl: 20_000 })));
    const fences = answers.map((answer) => (answer as { fence: number } | null)?.fence);
    kit.expect(fences).toEqual([grants[0]!.fence, grants[1]!.fence, undefined, grants[3]!.fence]);
    for (const answer of [answers[0], answers[1], answers[3]]) {
      kit.expect((answer as Grant).validUntil - performance.now()).toBeGreaterThan(15_000);
      kit.expect((answer as Grant).validUntil - performance.now()).toBeLessThanOrEqual(20_000);
    }
  },
};

/** Extends two readers again and again; false where the machine stalled until their time was up. */
async function holdOn(kit: Kit): Promise<boolean> {
  const { driver, expect } = kit;
  let grants = [await kit.take({ mode: 'read', ttl: 900 }), await kit.take({ mode: 'read', ttl: 900 })];
  const late = () => grants.some(({ validUntil }) => performance.now() >= validUntil);
  for (let round = 0; round < 7; round++) {
    await sleep(300);
    const extensions = grants.map((grant) => ({ grant, ttl: 900 }));
    const many = round % 2 ? driver.extendMany?.(extensions) : undefined;
    const answers = await (many ?? Promise.all(grants.map((grant) => driver.extend(grant, 900))));
    if (late()) return false;
    const fences = answers.map((answer) => (answer as Grant | null)?.fence);
    expect(fences).toEqual(grants.map(({ fence }) => fence));
    grants = answers as Grant[];
    const rival = await kit.ask();
    if (late()) return false;
    expect(rival).toBe(null);
  }
  for (const grant of grants) {
    const released = await driver.release(grant);
    if (late()) return false;
    expect(released).toBe(true);
  }
  return true;
}

/** To 200 ms from now. */
async function shorten(kit: Kit, grant: Grant): Promise<void> {
  const extended = await kit.driver.extend(grant, 200);
  kit.expect(extended!.validUntil - performance.now()).toBeLessThanOrEqual(200);
}
