import type { Grant } from '../../lease/driver.js';
import { type Cases, sleep } from './kit.js';

export const order: Cases = {
  'waiters are served in the order of asking': async (kit) => {
    let holder = await kit.take();
    const served: string[] = [];
    const line: Promise<Grant>[] = [];
    for (const token of ['1', '2', '3', '4', '5']) {
      const { granted } = await kit.queue({ token });
      granted.then(
        () => served.push(token),
        () => {},
      );
      line.push(granted);
    }
    for (const next of line) {
      await kit.driver.release(holder);
      holder = await next;
    }
    kit.expect(served).toEqual(['1', '2', '3', '4', '5']);
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

  'a newcomer does not overtake a waiter who stands behind one who waited, too': async (kit) => {
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

  'a release lets in one waiter, not two': async (kit) => {
    const first = await kit.take();
    const [second, third] = [await kit.queue(), await kit.queue()];
    await kit.driver.release(first);
    const grant = await second.granted;
    await kit.expectPending(third.granted);
    await kit.driver.release(grant);
    await third.granted;
  },

  'who leaves the line in the middle holds up nobody behind': async (kit) => {
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
};
