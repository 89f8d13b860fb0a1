import { expect, test } from '@jest/globals';
import { type Bounds, EVERYONE, EXCLUSIVE, WaitQueue } from '../../src/mutex/wait-queue.js';
import { FakeClock } from '../../src/testing/fake-clock.js';

/** A queue whose waiters have names, and what became of them. */
class Bed {
  readonly clock = new FakeClock();
  readonly queue = new WaitQueue<Bounds & { name: string }>(0);
  readonly said: string[] = [];

  wait(
    name: string,
    limit: number,
    { wait = Infinity, signal }: { wait?: number; signal?: AbortSignal } = {},
  ) {
    const say = (what: string) => () => void this.said.push(`${name} ${what}`);
    const bounds = { name, wait, signal, clock: this.clock, timedOut: say('late'), aborted: say('aborted') };
    this.queue.waitWithin(limit, bounds, say('in'));
  }

  get waiting(): string[] {
    return [...this.queue].map(({ name }) => name);
  }
}

test('who waits enters in the very moment in which another leaves', () => {
  const bed = new Bed();
  expect(bed.queue.tryEnter(EXCLUSIVE)).toBe(true);
  bed.wait('a', EXCLUSIVE);
  expect(bed.said).toEqual([]);
  expect(bed.queue.leave(true)).toBe(false);
  expect(bed.said).toEqual(['a in']);
  expect(bed.queue.leave(true)).toBe(true);
});

test('one that waits for ever sets no timer, and one that enters leaves none', () => {
  const bed = new Bed();
  bed.queue.tryEnter(EXCLUSIVE);
  bed.wait('a', EXCLUSIVE);
  expect(bed.clock.pending).toBe(0);
  bed.wait('b', EXCLUSIVE, { wait: 10 });
  expect(bed.clock.pending).toBe(1);
  bed.queue.leave(true);
  bed.queue.leave(true);
  expect([bed.said, bed.clock.pending]).toEqual([['a in', 'b in'], 0]);
});

test('who leaves from the middle, one after the other, takes nobody along', async () => {
  const bed = new Bed();
  bed.queue.tryEnter(EXCLUSIVE);
  const stops = ['b', 'c', 'd'].map((name) => ({ name, stop: new AbortController() }));
  bed.wait('a', EXCLUSIVE);
  for (const { name, stop } of stops) bed.wait(name, EXCLUSIVE, { signal: stop.signal });
  bed.wait('e', EXCLUSIVE, { wait: 10 });
  for (const { stop } of stops) stop.abort();
  bed.wait('f', EXCLUSIVE);
  expect(bed.waiting).toEqual(['a', 'e', 'f']);
  await bed.clock.advance(10);
  bed.wait('g', EXCLUSIVE);
  expect(bed.waiting).toEqual(['a', 'f', 'g']);
  expect(bed.said).toEqual(['b aborted', 'c aborted', 'd aborted', 'e late']);
  for (const name of ['a', 'f', 'g']) {
    bed.queue.leave(true);
    expect(bed.said.at(-1)).toBe(`${name} in`);
  }
  expect([bed.queue.length, bed.queue.leave(true)]).toEqual([0, true]);
});

test('each goes by its own limit, and none before one that waits', () => {
  const bed = new Bed();
  expect([bed.queue.tryEnter(EVERYONE), bed.queue.tryEnter(3), bed.queue.tryEnter(2)]).toEqual([
    true,
    true,
    false,
  ]);
  bed.wait('one of 2', 2);
  expect(bed.queue.tryEnter(EVERYONE)).toBe(false);
  bed.wait('reader', EVERYONE);
  bed.wait('writer', EXCLUSIVE);
  bed.wait('one of 9', 9);
  bed.queue.leave(false);
  expect(bed.said).toEqual(['one of 2 in', 'reader in']);
  for (let left = 3; left > 0; left--) {
    expect(bed.said).toHaveLength(2);
    bed.queue.leave(false);
  }
  expect(bed.said.slice(2)).toEqual(['writer in']);
  bed.queue.leave(true);
  expect(bed.said.slice(3)).toEqual(['one of 9 in']);
});

test('drain empties the queue and calls nobody, also later', async () => {
  const bed = new Bed();
  const stop = new AbortController();
  bed.queue.tryEnter(EXCLUSIVE);
  bed.wait('a', EXCLUSIVE, { wait: 10 });
  bed.wait('b', EVERYONE, { signal: stop.signal });
  bed.wait('c', 3);
  expect(bed.queue.drain().map(({ name }) => name)).toEqual(['a', 'b', 'c']);
  expect([bed.queue.length, bed.waiting, bed.clock.pending]).toEqual([0, [], 0]);
  stop.abort();
  await bed.clock.advance(20);
  expect(bed.queue.leave(true)).toBe(true);
  expect(bed.said).toEqual([]);
});
