/** The child process of memory.mjs and timeouts.mjs: one contender has it for itself. */
import { setImmediate } from 'node:timers/promises';
import { serve } from '../lib/children.mjs';
import { timed } from '../lib/rounds.mjs';
import { contenders } from './contenders.mjs';

const COUNT = 100_000;
const WAIT_MS = 200;
const find = (name) => contenders.find((one) => one.name === name);

serve({
  /** Heap bytes a held key and a caller who waits. */
  async memory(name) {
    const one = find(name);
    const keys = Array.from({ length: COUNT }, (_, i) => `key-${i}`);
    const waiting = new Array(COUNT).fill(undefined);
    // The first ones pay for what is there once.
    const first = [await one.hold(['first']), one.wait('first')];
    const empty = used();
    const held = await one.hold(keys);
    const full = used();
    for (let i = 0; i < COUNT; i++) waiting[i] = one.wait('first');
    const crowded = used();
    const kept = [first, held, waiting].length;
    return { held: (full - empty) / COUNT, waiting: (crowded - full) / COUNT, kept };
  },

  /** CPU µs a caller who times out, and ms until the next one is in. */
  async timeouts(name) {
    const one = find(name);
    let release;
    const work = () =>
      new Promise((resolve) => {
        release = resolve;
      });
    const holder = one.write('held', work);
    while (!release) await setImmediate();
    const before = process.cpuUsage();
    const callers = [];
    for (let i = 0; i < COUNT; i++) callers.push(one.timeOut('held', WAIT_MS));
    const outcomes = await Promise.allSettled(callers);
    const { user, system } = process.cpuUsage(before);
    if (outcomes.some(({ status }) => status !== 'rejected')) throw new Error('a caller got in');
    const next = await timed(async () => {
      release();
      await one.write('held');
    });
    await holder;
    return { cpu: (user + system) / COUNT, next };
  },
});

function used() {
  for (let i = 0; i < 3; i++) globalThis.gc();
  return process.memoryUsage().heapUsed;
}
