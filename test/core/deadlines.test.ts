import { AsyncLocalStorage } from 'node:async_hooks';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { systemClock } from '../../src/core/clock.js';
import { Deadline, Deadlines } from '../../src/core/deadlines.js';
import { FakeClock } from '../../src/testing/fake-clock.js';

test('fires each at its time, in order, on one timer', async () => {
  const clock = new FakeClock();
  const deadlines = new Deadlines(clock);
  const fired: number[] = [];
  for (const at of [30, 10, 20]) deadlines.set(new Deadline(() => fired.push(clock.now())), at);
  expect(clock.pending).toBe(1);
  await clock.advance(25);
  expect(fired).toEqual([10, 20]);
  await clock.advance(25);
  expect(fired).toEqual([10, 20, 30]);
  expect(clock.pending).toBe(0);
});

test('fires what is set while it fires', async () => {
  const clock = new FakeClock();
  const deadlines = new Deadlines(clock);
  const fired: number[] = [];
  const again = new Deadline(() => {
    fired.push(clock.now());
    if (fired.length < 3) deadlines.set(again, clock.now() + 10);
  });
  deadlines.set(again, 10);
  await clock.advance(100);
  expect(fired).toEqual([10, 20, 30]);
});

test('run fires what is due before the timer comes round', () => {
  const clock = new FakeClock();
  const deadlines = new Deadlines(clock);
  const fired: string[] = [];
  deadlines.set(new Deadline(() => fired.push('a')), 10);
  deadlines.set(new Deadline(() => fired.push('b')), 20);
  clock.jump(15);
  deadlines.run(clock.now());
  expect(fired).toEqual(['a']);
});

test('clearing one in the middle makes none behind it late', async () => {
  const clock = new FakeClock();
  const deadlines = new Deadlines(clock);
  const fired: [number, number][] = [];
  const set = (at: number) => {
    const deadline = new Deadline(() => fired.push([at, clock.now()]));
    deadlines.set(deadline, at);
    return deadline;
  };
  // They lie in the heap as they are set here: 4 takes the place of 11, under 10, and must rise.
  const [, , , eleven] = [1, 10, 2, 11, 12, 3, 4].map(set);
  deadlines.clear(eleven!);
  set(13);
  await clock.advance(20);
  expect(fired).toEqual([1, 2, 3, 4, 10, 12, 13].map((at) => [at, at]));
});

test('of hundreds, set and cleared at random, each that is left fires at its own time', async () => {
  const times = fc.array(fc.nat(5_000), { minLength: 200, maxLength: 600 });
  await fc.assert(
    fc.asyncProperty(times, fc.infiniteStream(fc.boolean()), async (all, cleared) => {
      const clock = new FakeClock();
      const deadlines = new Deadlines(clock);
      const fired: [number, number][] = [];
      const set = all.map((at, n) => {
        const deadline = new Deadline(() => fired.push([n, clock.now()]));
        deadlines.set(deadline, at);
        return deadline;
      });
      const kept = all.map((at, n) => [n, at] as const).filter(() => !cleared.next().value);
      const keeps = new Set(kept.map(([n]) => n));
      for (const [n, deadline] of set.entries()) if (!keeps.has(n)) deadlines.clear(deadline);
      await clock.advance(5_000);
      expect([...fired].sort(([a], [b]) => a - b)).toEqual(kept);
    }),
    { numRuns: 15 },
  );
});

test('whatever is set, moved and cleared, each fires once, in order, at the last time set', async () => {
  const action = fc.tuple(fc.nat(19), fc.option(fc.nat(100), { nil: undefined }), fc.nat(5));
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 60 }), async (actions) => {
      const clock = new FakeClock();
      const deadlines = new Deadlines(clock);
      const expected = new Map<number, number>();
      const fired: [number, number][] = [];
      const all = Array.from({ length: 20 }, (_, n) => {
        return new Deadline(() => fired.push([n, clock.now()]));
      });
      for (const [n, delay, pause] of actions) {
        const at = delay === undefined ? undefined : clock.now() + delay;
        if (at === undefined) deadlines.clear(all[n]!);
        else deadlines.set(all[n]!, at);
        if (at === undefined) expected.delete(n);
        else expected.set(n, at);
        const due = [...expected].filter(([, time]) => time <= clock.now() + pause);
        fired.length = 0;
        await clock.advance(pause);
        expect([...fired].sort()).toEqual(due.map(([m, time]) => [m, time]).sort());
        expect(fired.map(([, time]) => time)).toEqual(fired.map(([, time]) => time).sort((a, b) => a - b));
        for (const [m] of due) expected.delete(m);
      }
    }),
    { numRuns: 60 },
  );
});

test('what is set later than the first needs no timer of its own, and neither does what is cleared', () => {
  const delays: number[] = [];
  const after = (ms: number) => {
    delays.push(ms);
    return { cancel: () => {}, keepAlive: () => {} };
  };
  const deadlines = new Deadlines({ now: () => 100, after });
  for (const at of [150, 150, 200, 151]) {
    const deadline = new Deadline(() => {});
    deadlines.set(deadline, at);
    deadlines.clear(deadline);
  }
  expect(delays).toEqual([50]);
  deadlines.set(new Deadline(() => {}), 120);
  // What is past already is due at once.
  deadlines.set(new Deadline(() => {}), 90);
  expect(delays).toEqual([50, 20, 0]);
});

test('after stop nothing fires until another one is set', async () => {
  const clock = new FakeClock();
  const deadlines = new Deadlines(clock);
  const fired: string[] = [];
  deadlines.set(new Deadline(() => fired.push('a')), 10);
  deadlines.stop();
  expect(clock.pending).toBe(0);
  await clock.advance(20);
  expect(fired).toEqual([]);
  deadlines.set(new Deadline(() => fired.push('b')), 30);
  await clock.advance(0);
  expect(fired).toEqual(['a']);
  await clock.advance(10);
  expect(fired).toEqual(['a', 'b']);
});

test('clearing what is not set does nothing', async () => {
  const clock = new FakeClock();
  const deadlines = new Deadlines(clock);
  let fired = 0;
  const once = new Deadline(() => fired++);
  deadlines.clear(once);
  deadlines.set(once, 10);
  await clock.advance(10);
  deadlines.clear(once);
  deadlines.set(new Deadline(() => fired++), 20);
  deadlines.clear(once);
  await clock.advance(10);
  expect(fired).toBe(2);
});

test('a timer that is set anew keeps the process alive as the one before', async () => {
  const made: { at: number; alive: boolean; fire: () => void }[] = [];
  const after = (at: number, fire: () => void) => {
    const timer = { at, alive: true, fire };
    made.push(timer);
    return {
      cancel: () => {},
      keepAlive: (yes: boolean) => {
        timer.alive = yes;
      },
    };
  };
  let now = 0;
  const deadlines = new Deadlines({ now: () => now, after });
  deadlines.keepAlive(true);
  deadlines.set(new Deadline(() => {}), 50);
  deadlines.set(new Deadline(() => {}), 10);
  now = 10;
  made[1]!.fire();
  deadlines.keepAlive(false);
  now = 50;
  deadlines.set(new Deadline(() => {}), 70);
  made[2]!.fire();
  expect(made.map(({ at, alive }) => [at, alive])).toEqual([
    [50, true],
    [10, true],
    [40, false],
    [20, false],
  ]);
});

test('keeps the process alive only as long as somebody asks for it', () => {
  let alive: boolean | undefined;
  const keepAlive = (yes: boolean) => {
    alive = yes;
  };
  const timer = { cancel: () => {}, keepAlive };
  const deadlines = new Deadlines({ now: () => 0, after: () => timer });
  deadlines.set(new Deadline(() => {}), 10);
  expect(alive).toBe(false);
  deadlines.keepAlive(true);
  deadlines.keepAlive(true);
  deadlines.keepAlive(false);
  expect(alive).toBe(true);
  deadlines.keepAlive(false);
  expect(alive).toBe(false);
});

test('fires outside of the async context in which the timer was set', async () => {
  const deadlines = new Deadlines(systemClock);
  const context = new AsyncLocalStorage<string>();
  const seen: (string | undefined)[] = [];
  await new Promise<void>((resolve) => {
    const last = new Deadline(() => {
      seen.push(context.getStore());
      resolve();
    });
    const first = new Deadline(() => {
      seen.push(context.getStore());
      deadlines.set(last, 0);
    });
    deadlines.keepAlive(true);
    context.run('of the caller', () => deadlines.set(first, systemClock.now() + 5));
  });
  expect(seen).toEqual([undefined, undefined]);
});
