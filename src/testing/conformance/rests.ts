import { BRIEF, type Cases, LONG, ROUNDING, SLACK, sleep } from './kit.js';
import { Queue } from './order.js';

// ms that a key rests here.
const REST = 400;

export const rests: Cases = {
  'nobody gets a resting key before the rest is over': async (kit) => {
    kit.expect(await kit.driver.release(await kit.take(), 20_000)).toBe(true);
    for (const mode of ['write', 'read'] as const) kit.expect(await kit.ask({ mode })).toBe(null);
    kit.expect(await kit.ask({ mode: 'read', limit: 9, wait: BRIEF })).toBe(null);
    const key = kit.name('soon free');
    const grant = await kit.take({ key });
    const before = performance.now();
    kit.expect(await kit.driver.release(grant, REST)).toBe(true);
    for (let next = null; !next; next = await kit.ask({ key })) await sleep(5);
    kit.expect(performance.now() - before).toBeGreaterThan(REST - ROUNDING);
    kit.expect(performance.now() - before).toBeLessThanOrEqual(REST + SLACK);
  },

  'a resting key has no holder, and the last one can neither release nor extend it': async (kit) => {
    const grant = await kit.take({ token: 'owner' });
    await kit.driver.release(grant, 10_000);
    kit.expect(await kit.driver.release(grant)).toBe(false);
    kit.expect(await kit.driver.release(grant, 0)).toBe(false);
    kit.expect(await kit.driver.extend(grant, 10_000)).toBe(null);
    kit.expect(await kit.ask({ token: 'owner' })).toBe(null);
    kit.expect((await kit.driver.inspect(kit.key))?.holders).toEqual([]);
  },

  'a waiter from before the rest gets the key when the rest is over': async (kit) => {
    const grant = await kit.take();
    const { granted } = await kit.queue();
    const before = performance.now();
    kit.expect(await kit.driver.release(grant, REST)).toBe(true);
    const next = await granted;
    kit.expect(performance.now() - before).toBeGreaterThan(REST - ROUNDING);
    kit.expect(performance.now() - before).toBeLessThanOrEqual(REST + SLACK);
    kit.expect(next.fence).toBeGreaterThan(grant.fence);
    kit.expect(next.validUntil - performance.now()).toBeLessThanOrEqual(10_000);
    kit.expect(await kit.driver.release(next)).toBe(true);
    await kit.expectFree();
  },

  'a waiter that comes during the rest gets the key when the rest is over': async (kit) => {
    const before = performance.now();
    await kit.driver.release(await kit.take(), REST);
    const next = await kit.take({ wait: LONG });
    kit.expect(performance.now() - before).toBeGreaterThan(REST - ROUNDING);
    kit.expect(performance.now() - before).toBeLessThanOrEqual(REST + SLACK);
    kit.expect(await kit.driver.release(next)).toBe(true);
  },

  'a rest keeps the order of the waiters': async (kit) => {
    const grant = await kit.take();
    const queue = new Queue(kit);
    await queue.add('1');
    await queue.add('2', { mode: 'read' });
    await kit.driver.release(grant, REST);
    await queue.add('3', { mode: 'read', limit: 5 });
    await queue.add('4');
    await queue.add('5');
    kit.expect(await queue.served(5)).toEqual(['1', '2', '3', '4', '5']);
    await kit.expectFree();
  },

  'a shared hold that rests keeps out writers, and callers whose limit it fills': async (kit) => {
    const permit = { mode: 'read', limit: 2 } as const;
    const [resting, other] = [await kit.take(permit), await kit.take(permit)];
    kit.expect(await kit.driver.release(resting, 20_000)).toBe(true);
    kit.expect(await kit.ask(permit)).toBe(null);
    kit.expect(await kit.driver.release(other)).toBe(true);
    kit.expect(await kit.ask()).toBe(null);
    kit.expect(await kit.ask({ mode: 'read', limit: 1 })).toBe(null);
    const key = kit.name('soon free');
    const brief = await kit.take({ ...permit, key });
    const before = performance.now();
    kit.expect(await kit.driver.release(brief, REST)).toBe(true);
    const next = await kit.take({ key, wait: LONG });
    kit.expect(performance.now() - before).toBeGreaterThan(REST - ROUNDING);
    kit.expect(performance.now() - before).toBeLessThanOrEqual(REST + SLACK);
    kit.expect(await kit.driver.release(next)).toBe(true);
    await kit.expectFree(key);
  },

  'a waiter with a limit enters when the first share has rested, however long others stay': async (kit) => {
    const permit = { mode: 'read', limit: 2, ttl: 60_000 } as const;
    const [resting, other] = [await kit.take(permit), await kit.take(permit)];
    const next = await kit.queue(permit);
    const before = performance.now();
    kit.expect(await kit.driver.release(resting, REST)).toBe(true);
    kit.expect(await kit.driver.release(await next.granted)).toBe(true);
    kit.expect(performance.now() - before).toBeGreaterThan(REST - ROUNDING);
    kit.expect(performance.now() - before).toBeLessThanOrEqual(REST + SLACK / 4);
    await kit.driver.release(other);
    await kit.expectFree();
  },

  'a wait that runs out during a rest answers null, and an abort rejects': async (kit) => {
    await kit.driver.release(await kit.take(), 20_000);
    kit.expect(await kit.ask({ wait: BRIEF })).toBe(null);
    const stop = new AbortController();
    const { answer } = await kit.queueUp({ signal: stop.signal });
    const reason = new Error('enough');
    stop.abort(reason);
    kit.expect(await answer.catch((error: unknown) => error)).toBe(reason);
    await kit.expectWaiters(0);
  },

  'a keepFor of 0 is no rest': async (kit) => {
    kit.expect(await kit.driver.release(await kit.take(), 0)).toBe(true);
    await kit.expectFree();
  },

  'keepFor does nothing for a lost hold': async (kit) => {
    const grant = await kit.take({ ttl: 300 });
    await sleep(500);
    kit.expect(await kit.driver.release(grant, 60_000)).toBe(false);
    const next = await kit.take();
    kit.expect(await kit.driver.release(grant, 60_000)).toBe(false);
    kit.expect(await kit.driver.release(next)).toBe(true);
    await kit.expectFree();
  },

  'inspecting shows until when a key rests': async (kit) => {
    const grant = await kit.take();
    // Both times are the backend's: only its own clock can say.
    const { since } = (await kit.driver.inspect(kit.key))!.holders[0]!;
    const before = performance.now();
    await kit.driver.release(grant, 20_000);
    const info = await kit.driver.inspect(kit.key);
    kit.expect(info!.restsUntil! - since).toBeGreaterThan(20_000 - ROUNDING);
    kit.expect(info!.restsUntil! - since).toBeLessThanOrEqual(20_000 + performance.now() - before + SLACK);
    const { waiters, holders, waiting } = info!;
    kit.expect({ waiters, holders, waiting }).toEqual({ waiters: 0, holders: [], waiting: [] });
    await kit.queue({ mode: 'read' });
    await kit.expectWaiters(1);
    const awaited = await kit.driver.inspect(kit.key);
    kit.expect(awaited!.mode).toBe('read');
    kit.expect(Math.abs(awaited!.restsUntil! - info!.restsUntil!)).toBeLessThanOrEqual(ROUNDING);
  },

  'inspecting a key after its rest answers null': async (kit) => {
    await kit.driver.release(await kit.take(), 100);
    await sleep(300);
    await kit.expectFree();
  },

  'inspecting a held key shows no rest': async (kit) => {
    await kit.take();
    kit.expect((await kit.driver.inspect(kit.key))?.restsUntil).toBe(undefined);
  },
};
