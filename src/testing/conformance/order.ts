import type { AcquireRequest } from '../../lease/driver.js';
import { BRIEF, type Cases, handled, type Kit, sleep } from './kit.js';

export const order: Cases = {
  'waiters are served in the order of asking': async (kit) => {
    const first = await kit.take();
    const queue = new Queue(kit);
    for (const name of ['1', '2', '3', '4', '5']) await queue.add(name);
    await kit.driver.release(first);
    kit.expect(await queue.served(5)).toEqual(['1', '2', '3', '4', '5']);
  },

  'a newcomer does not overtake a waiter': async (kit) => {
    const first = await kit.take();
    const { granted } = await kit.queue();
    const [, newcomer] = await Promise.all([kit.driver.release(first), kit.ask()]);
    kit.expect(newcomer).toBe(null);
    const second = await granted;
    kit.expect(await kit.ask()).toBe(null);
    await kit.driver.release(second);
    await kit.expectFree();
  },

  'a newcomer does not overtake the waiter of a holder that waited itself': async (kit) => {
    const first = await kit.take({ wait: 1_000 });
    const { granted } = await kit.queue();
    const newcomers = [kit.ask()];
    const released = kit.driver.release(first);
    newcomers.push(kit.ask());
    kit.expect(await Promise.all(newcomers)).toEqual([null, null]);
    kit.expect(await released).toBe(true);
    await kit.driver.release(await granted);
    await kit.expectFree();
  },

  'a newcomer that writes does not overtake waiting readers': async (kit) => {
    for (const mode of ['write', 'read'] as const) {
      const first = await kit.take({ mode });
      // Readers wait for a writer, or for one that waits before them.
      const before = mode === 'read' ? await kit.queue() : undefined;
      const behind = [await kit.queue({ mode: 'read' }), await kit.queue({ mode: 'read' })];
      let released = kit.driver.release(first);
      if (before) {
        await released;
        released = kit.driver.release(await before.granted);
      }
      const newcomers = [kit.ask(), kit.ask({ wait: BRIEF })];
      kit.expect(await Promise.all(newcomers)).toEqual([null, null]);
      await released;
      for (const { granted } of behind) kit.expect(await kit.driver.release(await granted)).toBe(true);
      await kit.expectFree();
    }
  },

  'a release lets in one waiter, not two': async (kit) => {
    const first = await kit.take();
    const [second, third] = [await kit.queue(), await kit.queue()];
    await kit.driver.release(first);
    const grant = await second.granted;
    await kit.expectPending(third.granted);
    await kit.driver.release(grant);
    await third.granted;
  },

  'a waiter that leaves the middle of the queue holds up nobody': async (kit) => {
    const first = await kit.take();
    const stop = new AbortController();
    await kit.queue({ signal: stop.signal });
    const { granted } = await kit.queue();
    stop.abort(new Error('enough'));
    await sleep(30);
    await kit.driver.release(first);
    kit.expect(await kit.driver.release(await granted)).toBe(true);
    await kit.expectFree();
  },

  'a waiter keeps its place when one before it aborts': (kit) =>
    keepsPlaces(kit, async (queue) => {
      const stop = new AbortController();
      await queue.add('leaves', { signal: stop.signal });
      return () => stop.abort(new Error('enough'));
    }),

  'a waiter keeps its place when one before it times out': (kit) =>
    keepsPlaces(kit, async (queue) => {
      await queue.add('leaves', { wait: 500 });
      return () => sleep(600);
    }),
};

async function keepsPlaces(
  kit: Kit,
  enter: (queue: Queue) => Promise<() => void | Promise<void>>,
): Promise<void> {
  const first = await kit.take();
  const queue = new Queue(kit);
  await queue.add('1');
  const leave = await enter(queue);
  for (const name of ['2', '3', '4']) await queue.add(name);
  await leave();
  await kit.expectWaiters(4);
  await queue.add('5');
  await kit.driver.release(first);
  kit.expect(await queue.served(5)).toEqual(['1', '2', '3', '4', '5']);
  await kit.expectFree();
}

/** Waiters that release as soon as they are granted the key, and note in which order they were. */
export class Queue {
  readonly #kit: Kit;
  readonly #served: { name: string; fence: number }[] = [];
  readonly #answers: Promise<unknown>[] = [];

  constructor(kit: Kit) {
    this.#kit = kit;
  }

  /** Resolves when it is in the queue. */
  async add(name: string, request: Partial<AcquireRequest> = {}, kit = this.#kit): Promise<void> {
    const { answer } = await kit.queueUp(request);
    const done = answer.then(async (grant) => {
      if (!grant) return;
      this.#served.push({ name, fence: grant.fence });
      await kit.driver.release(grant);
    });
    this.#answers.push(handled(done));
  }

  /** Who was served, once everybody has left; in the order of their fences. There are `count` of them. */
  async served(count: number): Promise<string[]> {
    await Promise.allSettled(this.#answers);
    this.#kit.expect(this.#served.length).toBe(count);
    return this.#served.sort((a, b) => a.fence - b.fence).map(({ name }) => name);
  }
}
