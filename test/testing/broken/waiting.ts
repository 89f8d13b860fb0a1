import type { AcquireRequest } from '../../../src/lease/driver.js';
import { sleep } from '../../support/wait.js';
import { asking, type Broken, broken, Lists } from './broken.js';

export const waiting: Broken[] = [
  broken('forgets a waiter', 'a waiter gets the key when it is released', (right) => ({
    async acquire(request) {
      const grant = await right.acquire({ ...request, wait: 0 });
      if (grant) return grant;
      await sleep(Math.min(request.wait, 1_000));
      return null;
    },
  })),
  broken('takes an abort for a time-out', 'an abort rejects a waiter with the signal’s reason', (right) => ({
    acquire: (request) => right.acquire(request).catch(() => null),
  })),
  broken(
    'stretches a wait threefold where others wait',
    'a wait ends in time among other waiters too, and when the holder changes',
    (right) => {
      const waiting = new Lists<string>();
      return {
        acquire(request) {
          if (request.wait === 0) return right.acquire(request);
          const others = waiting.of(request.key);
          const wait = request.wait * (others.length >= 2 ? 3 : 1);
          others.push(request.token);
          return right.acquire({ ...request, wait }).finally(() => others.pop());
        },
      };
    },
  ),
  broken(
    'counts a wait anew when the holder changes',
    'a wait ends in time among other waiters too, and when the holder changes',
    (right) => {
      let changes = 0;
      return {
        async acquire(request) {
          const before = changes;
          const grant = await right.acquire(request);
          return grant || request.wait === 0 || changes === before ? grant : right.acquire(request);
        },
        release(grant, keepFor) {
          changes++;
          return right.release(grant, keepFor);
        },
      };
    },
  ),
  broken('waits as long as its patience', 'patience lengthens no wait and changes no answer', (right) =>
    asking(right, ({ wait, patience = 0 }) => ({ wait: wait > 0 ? Math.max(wait, patience) : 0 })),
  ),
  broken(
    'holds on when it is aborted in the moment of the grant',
    'an abort at the moment of the grant rejects and leaves nothing held, or changes nothing',
    (right) => ({
      async acquire(request) {
        const grant = await right.acquire(request);
        if (grant && request.wait > 0) for (let turn = 0; turn < 3; turn++) await null;
        request.signal?.throwIfAborted();
        return grant;
      },
    }),
  ),
  broken(
    'gives the key to a reader that timed out',
    'a reader that timed out is not given the key later',
    (right) => {
      const later = async (request: AcquireRequest) => {
        await sleep(20);
        await right.acquire({ ...request, wait: 0, ttl: 300 }).catch(() => {});
      };
      return {
        async acquire(request) {
          const grant = await right.acquire(request);
          if (!grant && request.mode === 'read' && request.wait > 0) void later(request);
          return grant;
        },
      };
    },
  ),
  broken(
    'gives the key to one that aborted',
    'a waiter that aborted is not given the key later',
    (right) => ({
      async acquire({ signal, ...request }) {
        const asked = right.acquire(request);
        asked.catch(() => {});
        if (!signal) return asked;
        signal.throwIfAborted();
        const aborted = new Promise<never>((_, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason));
        });
        return Promise.race([asked, aborted]);
      },
    }),
  ),
];
