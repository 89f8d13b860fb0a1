import { LockBackendError } from '../../core/errors.js';
import type { AcquireRequest } from '../../lease/driver.js';
import { type Cases, type Kit, LONG, sleep } from './kit.js';

export const crowds: Cases = {
  'of a hundred that ask at once, one is given the key': async (kit) => {
    const answers = await Promise.all(Array.from({ length: 100 }, () => kit.ask()));
    kit.expect(answers.filter((grant) => grant !== null).length).toBe(1);
  },

  'of two hundred waiters, all are given the key, one at a time': async (kit) => {
    const counts = new Counts(kit);
    const jobs = Array.from({ length: 200 }, () => counts.hold({ wait: LONG }, 0));
    kit.expect((await Promise.all(jobs)).filter(Boolean).length).toBe(200);
    await kit.expectFree();
  },

  'a hundred readers and a hundred writers all get their turn': async (kit) => {
    const counts = new Counts(kit);
    const jobs = Array.from({ length: 200 }, (_, n) =>
      counts.hold({ wait: LONG, mode: n % 2 ? 'read' : 'write' }, 0),
    );
    kit.expect((await Promise.all(jobs)).filter(Boolean).length).toBe(200);
    await kit.expectFree();
  },

  'whatever is asked for, a writer is alone, limits hold and fences grow': async (kit) => {
    const random = generator(20_261_121);
    const keys = ['a', 'b', 'c'].map((name) => kit.name(name));
    const counts = new Counts(kit);
    const worker = async () => {
      for (let job = 0; job < 12; job++) {
        const stop = new AbortController();
        if (random() < 0.2) setTimeout(() => stop.abort(new Error('enough')), random() * 30);
        const mode = random() < 0.6 ? 'read' : 'write';
        const request = {
          key: keys[Math.floor(random() * 3)]!,
          mode,
          limit: mode === 'read' && random() < 0.5 ? 1 + Math.floor(random() * 4) : undefined,
          wait: random() * 60,
          signal: stop.signal,
        } as const;
        await counts.hold(request, random() * 4);
      }
    };
    await Promise.all(Array.from({ length: 30 }, worker));
    kit.expect(counts.granted).toBeGreaterThan(0);
    for (const key of keys) await kit.expectFree(key);
  },
};

interface Inside {
  /** By fence. */
  readonly readers: Set<number>;
  readonly writers: Set<number>;
  /** The largest fence of a writer, and of anybody, so far. */
  written: number;
  latest: number;
}

/** Who is inside each key, counted by the holders themselves. */
class Counts {
  granted = 0;
  readonly #kit: Kit;
  readonly #keys = new Map<string, Inside>();

  constructor(kit: Kit) {
    this.#kit = kit;
  }

  /** Holds the key for `ms`; false if it was not given. */
  async hold(request: Partial<AcquireRequest>, ms: number): Promise<boolean> {
    const { driver, expect, key } = this.#kit;
    const grant = await this.#kit.ask(request).catch((error) => {
      if (request.signal?.aborted && error === request.signal.reason) return null;
      // On a busy machine a backend may not answer within a short wait.
      if (error instanceof LockBackendError && (request.wait ?? 0) < LONG) return null;
      throw error;
    });
    if (!grant) return false;
    this.granted++;
    const inside = this.#inside(request.key ?? key);
    const { fence, mode } = grant;
    const write = mode === 'write';
    expect(inside.writers.size).toBe(0);
    if (write) expect(inside.readers.size).toBe(0);
    // Those that were granted it later may have been told sooner.
    const before = [...inside.readers].filter((other) => other < fence);
    expect(before.length).toBeLessThanOrEqual((request.limit ?? Infinity) - 1);
    expect(fence).toBeGreaterThan(write ? inside.latest : inside.written);
    const alike = write ? inside.writers : inside.readers;
    alike.add(fence);
    if (write) inside.written = fence;
    inside.latest = Math.max(inside.latest, fence);
    await sleep(ms);
    alike.delete(fence);
    expect(await driver.release(grant)).toBe(true);
    return true;
  }

  #inside(key: string): Inside {
    const inside = this.#keys.get(key) ?? { readers: new Set(), writers: new Set(), written: 0, latest: 0 };
    this.#keys.set(key, inside);
    return inside;
  }
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
