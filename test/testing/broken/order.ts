import type { AcquireRequest, Grant, LockDriver } from '../../../src/lease/driver.js';
import { sleep } from '../../support/wait.js';
import { type Broken, broken, Lists } from './broken.js';

export const order: Broken[] = [
  broken('polls without a queue', 'waiters are served in the order of asking', (right) => {
    let asked = 0;
    return {
      async acquire(request) {
        const until = performance.now() + request.wait;
        const pause = 60 - 10 * (asked++ % 6);
        for (;;) {
          const grant = await right.acquire({ ...request, wait: 0 });
          if (grant || performance.now() > until) return grant;
          await sleep(pause);
        }
      },
    };
  }),
  broken(
    'sends whoever is behind one who aborts to the end of the queue',
    'a waiter keeps its place when one before it aborts',
    (right) => ({ acquire: requeuing(right, 'abort') }),
  ),
  broken(
    'sends whoever is behind one whose time runs out to the end of the queue',
    'a waiter keeps its place when one before it times out',
    (right) => ({ acquire: requeuing(right, 'time-out') }),
  ),
  broken('lets in a newcomer before who waits', 'a newcomer does not overtake a waiter', (right) =>
    slipping(right, () => true),
  ),
  broken(
    'lets in a newcomer that writes before readers that wait',
    'a newcomer that writes does not overtake waiting readers',
    (right) => slipping(right, (waiting) => waiting.every(({ mode }) => mode === 'read')),
  ),
];

interface Place {
  readonly request: AcquireRequest;
  moved: AbortController;
}

/** Where one leaves the queue so, the one behind it loses its place. */
function requeuing(right: LockDriver, leaving: 'abort' | 'time-out'): LockDriver['acquire'] {
  const places = new Lists<Place>();
  const MOVED = new Error('moved to the end');
  return async (request) => {
    if (request.wait === 0) return right.acquire(request);
    const queue = places.of(request.key);
    const place = { request, moved: new AbortController() };
    queue.push(place);
    const leave = () => {
      const behind = queue[queue.indexOf(place) + 1];
      queue.splice(queue.indexOf(place), 1);
      return behind;
    };
    const moveNext = () => {
      const behind = leave();
      if (behind && behind !== queue.at(-1)) behind.moved.abort(MOVED);
    };
    for (;;) {
      const signals = [place.moved.signal, ...(request.signal ? [request.signal] : [])];
      try {
        const grant = await right.acquire({ ...request, signal: AbortSignal.any(signals) });
        if (!grant && leaving === 'time-out') moveNext();
        else leave();
        return grant;
      } catch (error) {
        if (error === MOVED) {
          leave();
          queue.push(place);
          place.moved = new AbortController();
        } else {
          if (leaving === 'abort') moveNext();
          else leave();
          throw error;
        }
      }
    }
  };
}

/** Keeps a key for a moment after its release: a try that comes then is served before those who wait, where `when` says so. */
function slipping(
  right: LockDriver,
  when: (waiting: readonly AcquireRequest[]) => boolean,
): Partial<LockDriver> {
  const waiting = new Lists<AcquireRequest>();
  const kept = new Map<string, Grant>();
  const slipped = new Map<string, Grant>();
  return {
    async acquire(request) {
      const grant = kept.get(request.key);
      if (request.wait === 0 && request.mode === 'write' && grant) {
        kept.delete(request.key);
        slipped.set(request.token, grant);
        return { ...grant, token: request.token, fence: grant.fence + 1 };
      }
      if (request.wait === 0) return right.acquire(request);
      const all = waiting.of(request.key);
      all.push(request);
      return right.acquire(request).finally(() => all.splice(all.indexOf(request), 1));
    },
    async release(given, keepFor) {
      const grant = slipped.get(given.token) ?? given;
      const all = waiting.of(grant.key);
      if (all.length === 0 || !when(all)) return right.release(grant, keepFor);
      kept.set(grant.key, grant);
      await sleep(5);
      return kept.delete(grant.key) ? right.release(grant, keepFor) : true;
    },
  };
}
