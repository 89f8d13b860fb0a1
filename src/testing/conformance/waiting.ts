import { LockClosedError } from '../../core/errors.js';
import { BRIEF, type Cases, handled, type Kit, LONG, reasonOf, runTime, SLACK, sleep } from './kit.js';

// Long enough to see one that is stretched, or counts anew.
const WAIT = 1_500;

export const waiting: Cases = {
  'a wait of 0 answers at once': async (kit) => {
    await kit.take();
    const started = performance.now();
    kit.expect(await kit.ask({ wait: 0 })).toBe(null);
    kit.expect(performance.now() - started).toBeLessThanOrEqual(SLACK);
  },

  'a wait that runs out answers null, neither early nor late': async (kit) => {
    await kit.take();
    const started = performance.now();
    kit.expect(await kit.ask({ wait: BRIEF })).toBe(null);
    const took = performance.now() - started;
    kit.expect(took).toBeGreaterThan(BRIEF - 10);
    kit.expect(took).toBeLessThanOrEqual(BRIEF + SLACK);
  },

  'a wait ends in time among other waiters too, and when the holder changes': async (kit) => {
    const first = await kit.take();
    const second = await kit.queue();
    const started = performance.now();
    const time = runTime();
    const took = (mode: 'write' | 'read') =>
      handled(
        kit.ask({ mode, wait: WAIT }).then((grant) => {
          kit.expect(grant).toBe(null);
          return { ms: performance.now() - started, ran: time.ms };
        }),
      );
    const times = [took('write'), took('write'), took('read'), took('write')];
    try {
      await sleep(0.8 * WAIT);
      await kit.driver.release(first);
      await second.granted;
      for (const { ms, ran } of await Promise.all(times)) {
        kit.expect(ms).toBeGreaterThan(WAIT - 10);
        kit.expect(ran).toBeLessThanOrEqual(1.6 * WAIT);
      }
    } finally {
      time.stop();
    }
    await kit.expectWaiters(0);
  },

  'patience lengthens no wait and changes no answer': async (kit) => {
    const holder = await kit.take({ patience: 8_000 });
    const started = performance.now();
    kit.expect(await kit.ask({ patience: 8_000 })).toBe(null);
    kit.expect(await kit.ask({ patience: 8_000, wait: BRIEF })).toBe(null);
    kit.expect(performance.now() - started).toBeGreaterThan(BRIEF - 10);
    kit.expect(performance.now() - started).toBeLessThanOrEqual(BRIEF + SLACK);
    kit.expect(await kit.driver.release(holder)).toBe(true);
  },

  'a waiter gets the key when it is released': async (kit) => {
    const first = await kit.take();
    const { granted } = await kit.queue();
    await kit.expectPending(granted);
    await kit.driver.release(first);
    const second = await granted;
    kit.expect(await kit.ask()).toBe(null);
    kit.expect(await kit.driver.release(second)).toBe(true);
  },

  'a waiter without a limit gets the key too': async (kit) => {
    const first = await kit.take();
    const { granted } = await kit.queue({ wait: Infinity });
    await kit.driver.release(first);
    kit.expect(await kit.driver.release(await granted)).toBe(true);
  },

  'an abort rejects a waiter with the signal’s reason': async (kit) => {
    await kit.take();
    const stop = new AbortController();
    const rejected = reasonOf(kit.ask({ wait: LONG, signal: stop.signal }));
    await kit.expectPending(rejected);
    const reason = new Error('enough');
    stop.abort(reason);
    kit.expect(await rejected).toBe(reason);
  },

  'a signal that aborted before rejects at once, and nothing is held': async (kit) => {
    const reason = new Error('too late');
    const signal = AbortSignal.abort(reason);
    kit.expect(await reasonOf(kit.ask({ signal }))).toBe(reason);
    kit.expect(await reasonOf(kit.ask({ wait: 1_000, signal }))).toBe(reason);
    await kit.expectFree();
  },

  'an abort after the grant changes nothing': async (kit) => {
    const stop = new AbortController();
    const grant = await kit.take({ wait: 1_000, signal: stop.signal });
    stop.abort(new Error('enough'));
    await sleep(30);
    kit.expect(await kit.ask()).toBe(null);
    kit.expect(await kit.driver.release(grant)).toBe(true);
  },

  'an abort at the moment of the grant rejects and leaves nothing held, or changes nothing': async (kit) => {
    const turns = Array.from({ length: 14 }, (_, turn) => turn);
    await Promise.all(turns.map((turn) => abortsAtTheGrant(kit, kit.name(`aborted ${turn}`), turn)));
  },

  'a waiter that timed out is not given the key later': (kit) =>
    leavesNothing(kit, async () => kit.expect(await kit.ask({ wait: BRIEF })).toBe(null)),

  'a reader that timed out is not given the key later': (kit) =>
    leavesNothing(kit, async () => kit.expect(await kit.ask({ mode: 'read', wait: BRIEF })).toBe(null)),

  'a waiter that aborted is not given the key later': (kit) =>
    leavesNothing(kit, async () => {
      const stop = new AbortController();
      const rejected = reasonOf(kit.ask({ wait: LONG, signal: stop.signal }));
      await sleep(30);
      stop.abort(new Error('enough'));
      await rejected;
    }),

  'waiters that share one signal all leave, and none of them enters': async (kit) => {
    const holder = await kit.take({ mode: 'read' });
    const stop = new AbortController();
    const modes = ['write', 'read', 'read', 'write', 'read'] as const;
    const asked = modes.map((mode) => reasonOf(kit.ask({ mode, wait: LONG, signal: stop.signal })));
    await sleep(60);
    const reason = new LockClosedError();
    stop.abort(reason);
    for (const rejected of await Promise.all(asked)) kit.expect(rejected).toBe(reason);
    await kit.driver.release(holder);
    await kit.expectFree();
  },
};

async function leavesNothing(kit: Kit, askAndLeave: () => Promise<void>): Promise<void> {
  const holder = await kit.take();
  await askAndLeave();
  await kit.expectWaiters(0);
  await kit.driver.release(holder);
  await kit.expectToStayFree();
  await kit.expectFree();
}

/** Aborts a waiter while its grant is on its way: so many microtasks after the release, or ms where those are many. */
async function abortsAtTheGrant(kit: Kit, key: string, turn: number): Promise<void> {
  const holder = await kit.take({ key });
  const stop = new AbortController();
  const { answer } = await kit.queueUp({ key, signal: stop.signal });
  const released = kit.driver.release(holder);
  for (let n = 0; n < Math.min(turn, 10); n++) await null;
  if (turn > 10) await sleep(turn - 10);
  const reason = new Error('enough');
  stop.abort(reason);
  const grant = await answer.catch((error: unknown) => kit.expect(error).toBe(reason));
  kit.expect(await released).toBe(true);
  if (grant) kit.expect(await kit.driver.release(grant)).toBe(true);
  await kit.expectToStayFree(key);
  await kit.expectFree(key);
}
