import type { AcquireRequest } from '../../lease/driver.js';
import { BRIEF, type Cases, LONG, ROUNDING, SLACK, sleep } from './kit.js';
import { Queue } from './order.js';

const permit = (limit: number, request?: Partial<AcquireRequest>) =>
  ({ mode: 'read', limit, ...request }) as const;

export const limits: Cases = {
  'at most `limit` holders are inside, and a release admits one more': async (kit) => {
    const grants = [await kit.take(permit(3)), await kit.take(permit(3)), await kit.take(permit(3))];
    kit.expect(await kit.ask(permit(3))).toBe(null);
    kit.expect(await kit.driver.release(grants[1]!)).toBe(true);
    await kit.take(permit(3));
    kit.expect(await kit.ask(permit(3))).toBe(null);
  },

  'a limit of 1 admits one holder': async (kit) => {
    const first = await kit.take(permit(1));
    kit.expect(await kit.ask(permit(1))).toBe(null);
    kit.expect(await kit.driver.release(first)).toBe(true);
    kit.expect((await kit.take(permit(1))).fence).toBeGreaterThan(first.fence);
  },

  'each caller enters by its own limit': async (kit) => {
    await kit.take(permit(5));
    await kit.take(permit(2));
    kit.expect(await kit.ask(permit(1))).toBe(null);
    kit.expect(await kit.ask(permit(2))).toBe(null);
    await kit.take(permit(3));
    kit.expect(await kit.ask(permit(3))).toBe(null);
    await kit.take({ mode: 'read' });
    kit.expect(await kit.ask(permit(4))).toBe(null);
    await kit.take(permit(5));
  },

  'a limit may be larger than any number of holders': async (kit) => {
    for (const limit of [1e14, Number.MAX_SAFE_INTEGER, Number.MAX_VALUE]) {
      const writer = await kit.take();
      const waiter = await kit.queue(permit(limit));
      await kit.driver.release(writer);
      const waited = await waiter.granted;
      const tried = await kit.take(permit(limit));
      kit.expect((await kit.driver.inspect(kit.key))?.holders.length).toBe(2);
      for (const grant of [waited, tried]) kit.expect(await kit.driver.release(grant)).toBe(true);
    }
  },

  'readers without a limit count towards the limits of others': async (kit) => {
    const reader = await kit.take({ mode: 'read' });
    await kit.take(permit(2));
    kit.expect(await kit.ask(permit(2))).toBe(null);
    await kit.take({ mode: 'read' });
    await kit.driver.release(reader);
    kit.expect(await kit.ask(permit(2))).toBe(null);
  },

  'writers and holders with a limit exclude each other': async (kit) => {
    const writer = await kit.take();
    kit.expect(await kit.ask(permit(9))).toBe(null);
    const waiting = await kit.queue(permit(9));
    await kit.driver.release(writer);
    const inside = await waiting.granted;
    kit.expect(await kit.ask()).toBe(null);
    const next = await kit.queue();
    await kit.expectPending(next.granted);
    await kit.driver.release(inside);
    kit.expect(await kit.ask(permit(9))).toBe(null);
    kit.expect(await kit.driver.release(await next.granted)).toBe(true);
    await kit.expectFree();
  },

  'a writer’s release admits as many waiters as their limits allow': async (kit) => {
    const writer = await kit.take();
    const waiting = [];
    for (let n = 0; n < 5; n++) waiting.push((await kit.queue(permit(2))).granted);
    await kit.driver.release(writer);
    const [first, second] = [await waiting[0]!, await waiting[1]!];
    await kit.expectPending(Promise.race(waiting.slice(2)));
    await kit.driver.release(second);
    await waiting[2];
    await kit.expectPending(Promise.race(waiting.slice(3)));
    await kit.driver.release(first);
    await waiting[3];
    await kit.expectPending(waiting[4]!);
  },

  'nobody overtakes a waiter that does not fit yet': async (kit) => {
    const inside = [await kit.take(permit(2)), await kit.take(permit(2))];
    const head = await kit.queue(permit(2));
    kit.expect(await kit.ask(permit(9))).toBe(null);
    kit.expect(await kit.ask({ mode: 'read' })).toBe(null);
    const behind = [await kit.queue(permit(9)), await kit.queue({ mode: 'read' })];
    await kit.expectPending(Promise.race([head, ...behind].map(({ granted }) => granted)));
    await kit.driver.release(inside[0]!);
    const { fence } = await head.granted;
    for (const { granted } of behind) kit.expect((await granted).fence).toBeGreaterThan(fence);
  },

  'when the first waiter leaves, those behind it enter if they fit': async (kit) => {
    await kit.take(permit(1));
    const stop = new AbortController();
    await kit.queue(permit(1, { signal: stop.signal }));
    const timedOut = await kit.queueUp(permit(1, { wait: BRIEF }));
    const behind = [await kit.queue(permit(2)), await kit.queue(permit(3))];
    stop.abort(new Error('enough'));
    kit.expect(await timedOut.answer).toBe(null);
    for (const { granted } of behind) await granted;
    kit.expect(await kit.ask(permit(3))).toBe(null);
  },

  'waiters with a limit, readers and writers are served in the order of asking': async (kit) => {
    const first = await kit.take();
    const queue = new Queue(kit);
    await queue.add('1', permit(1));
    await queue.add('2');
    await queue.add('3', permit(2));
    await queue.add('4', permit(1));
    await queue.add('5', { mode: 'read' });
    await queue.add('6', permit(1));
    await queue.add('7');
    await kit.driver.release(first);
    kit.expect(await queue.served(7)).toEqual(['1', '2', '3', '4', '5', '6', '7']);
    await kit.expectFree();
  },

  'an expired hold makes room for the next waiter': async (kit) => {
    const asked = performance.now();
    const brief = await kit.take(permit(2, { ttl: 300 }));
    const long = await kit.take(permit(2));
    const { granted } = await kit.queue(permit(2));
    const next = await granted;
    kit.expect(performance.now()).toBeGreaterThan(brief.validUntil - ROUNDING);
    kit.expect(performance.now() - asked).toBeLessThanOrEqual(300 + SLACK);
    kit.expect(await kit.driver.extend(brief, 10_000)).toBe(null);
    kit.expect(await kit.driver.release(brief)).toBe(false);
    kit.expect(await kit.ask(permit(2))).toBe(null);
    kit.expect(await kit.driver.release(long)).toBe(true);
    kit.expect(await kit.driver.release(next)).toBe(true);
    await kit.expectFree();
  },

  'an expired hold makes room for a single try': async (kit) => {
    await kit.take(permit(1, { ttl: 300 }));
    await sleep(500);
    await kit.take(permit(1));
  },

  'an extended hold keeps its room': async (kit) => {
    const grant = await kit.extended(300, 10_000, permit(1));
    await sleep(500);
    kit.expect(await kit.ask(permit(1))).toBe(null);
    kit.expect(await kit.driver.release(grant)).toBe(true);
  },

  'asking again with one token takes no more room': async (kit) => {
    const mine = permit(2, { token: 'mine' });
    const asked = [kit.take(mine), kit.take(mine), kit.take({ ...mine, wait: 1_000 })];
    const [first, ...again] = await Promise.all(asked);
    for (const { fence } of again) kit.expect(fence).toBe(first!.fence);
    kit.expect((await kit.take(mine)).fence).toBe(first!.fence);
    await kit.take(permit(2));
    kit.expect(await kit.ask(permit(2))).toBe(null);
    kit.expect((await kit.take(mine)).fence).toBe(first!.fence);
    kit.expect(await kit.driver.release(first!)).toBe(true);
    await kit.take(permit(2));
  },

  'of a hundred waiters with a limit of 7, all enter, and never more than 7 are inside': async (kit) => {
    let inside = 0;
    let most = 0;
    const give = performance.now() + SLACK;
    const job = async () => {
      const grant = await kit.take(permit(7, { wait: LONG }));
      most = Math.max(most, ++inside);
      // Nobody leaves before seven have been inside, however slowly they come.
      do await sleep(5);
      while (most < 7 && performance.now() < give);
      inside--;
      kit.expect(await kit.driver.release(grant)).toBe(true);
    };
    await Promise.all(Array.from({ length: 100 }, job));
    kit.expect(most).toBe(7);
    await kit.expectFree();
  },

  'inspecting shows the smallest limit among the holders': async (kit) => {
    const limit = async () => (await kit.driver.inspect(kit.key))?.limit;
    const reader = await kit.take({ mode: 'read' });
    kit.expect(await limit()).toBe(undefined);
    const seven = await kit.take(permit(7));
    kit.expect(await limit()).toBe(7);
    const three = await kit.take(permit(3));
    kit.expect(await limit()).toBe(3);
    const two = await kit.queue(permit(2));
    kit.expect(await limit()).toBe(3);
    await kit.driver.release(three);
    kit.expect((await kit.driver.inspect(kit.key))?.mode).toBe('read');
    await kit.driver.release(reader);
    await two.granted;
    kit.expect((await kit.driver.inspect(kit.key))?.holders.length).toBe(2);
    kit.expect(await limit()).toBe(2);
    await kit.driver.release(seven);
    kit.expect(await limit()).toBe(2);
  },
};
