import type { Grant } from '../../../src/lease/driver.js';
import { sleep } from '../../support/wait.js';
import { asking, type Broken, broken, granting, Lists } from './broken.js';

export const limits: Broken[] = [
  broken('knows no limits', 'at most `limit` holders are inside, and a release admits one more', (right) =>
    asking(right, () => ({ limit: undefined })),
  ),
  broken('lets one more in than the limit', 'a limit of 1 admits one holder', (right) =>
    asking(right, ({ limit }) => ({ limit: limit && limit + 1 })),
  ),
  broken('keeps the first limit of a key for all', 'each caller enters by its own limit', (right) => {
    const first = new Map<string, number>();
    return asking(right, ({ key, limit }) => {
      if (limit && !first.has(key)) first.set(key, limit);
      return { limit: limit && first.get(key)! };
    });
  }),
  broken(
    'counts those with a limit only',
    'readers without a limit count towards the limits of others',
    (right) => {
      const plain = new Lists<string>();
      return {
        ...asking(right, ({ key, mode, limit, token }) => {
          if (mode === 'read' && !limit) plain.of(key).push(token);
          return { limit: limit && limit + plain.of(key).length };
        }),
      };
    },
  ),
  broken(
    'takes one with a limit of 9 for a writer',
    'writers and holders with a limit exclude each other',
    (right) => asking(right, ({ limit, key }) => (limit === 9 ? { key: `${key} of nine` } : {})),
  ),
  broken(
    'lets in all that wait behind a writer',
    'a writer’s release admits as many waiters as their limits allow',
    (right) => asking(right, ({ limit, wait }) => ({ limit: wait > 0 ? limit && 99 : limit })),
  ),
  broken(
    'lets whoever fits overtake one who does not',
    'nobody overtakes a waiter that does not fit yet',
    (right) => {
      const inside = new Lists<Grant>();
      return {
        async acquire(request) {
          const all = inside.of(request.key);
          const fits = request.mode === 'read' && all.length > 0 && all.length < (request.limit ?? Infinity);
          if (fits) return { ...all[0]!, token: request.token, fence: all[0]!.fence + all.length };
          const grant = await right.acquire(request);
          if (grant?.mode === 'read') all.push(grant);
          return grant;
        },
      };
    },
  ),
  broken(
    'wakes nobody behind a head that leaves',
    'when the first waiter leaves, those behind it enter if they fit',
    (right) => ({
      async acquire(request) {
        // Whoever leaves is held in its place by another in its stead.
        const leaves = request.wait > 0 && (request.signal || request.wait < 1_000);
        if (leaves)
          right
            .acquire({ ...request, token: `${request.token} stays`, wait: 60_000, signal: undefined })
            .catch(() => {});
        return right.acquire(request);
      },
    }),
  ),
  broken(
    'serves those with a limit last',
    'waiters with a limit, readers and writers are served in the order of asking',
    (right) => ({
      async acquire(request) {
        if (request.limit && request.wait > 0) await sleep(1_200);
        return right.acquire(request);
      },
    }),
  ),
  broken(
    'keeps the room of one whose time ran out',
    'an expired hold makes room for the next waiter',
    (right) => asking(right, ({ limit, ttl }) => ({ ttl: limit ? ttl * 100 : ttl })),
  ),
  broken('prolongs none that has a limit', 'an extended hold keeps its room', (right) => {
    const limited = new Set<string>();
    return {
      async acquire(request) {
        if (request.limit) limited.add(request.token);
        return right.acquire(request);
      },
      extend: async (grant, ttl) =>
        limited.has(grant.token)
          ? { ...grant, validUntil: performance.now() + ttl - 1 }
          : right.extend(grant, ttl),
    };
  }),
  broken('takes room for each asking', 'asking again with one token takes no more room', (right) => {
    let asked = 0;
    const first = new Map<string, Grant>();
    return {
      async acquire(request) {
        const known = first.get(request.token);
        const token = known ? `${request.token} ${++asked}` : request.token;
        const grant = await right.acquire({ ...request, token, wait: known ? 0 : request.wait });
        if (grant && !known) first.set(request.token, grant);
        return known ?? grant;
      },
    };
  }),
  broken(
    'lets one more in while many wait',
    'of a hundred waiters with a limit of 7, all enter, and never more than 7 are inside',
    (right) => {
      let waiting = 0;
      return {
        acquire(request) {
          const limit = ++waiting > 50 ? 8 : request.limit;
          return right.acquire({ ...request, limit }).finally(() => waiting--);
        },
      };
    },
  ),
  broken('shows the largest limit', 'inspecting shows the smallest limit among the holders', (right) => {
    const all = new Map<string, number>();
    return {
      ...granting(right, (grant, { limit = 0 }) => {
        all.set(grant.key, Math.max(limit, all.get(grant.key) ?? 0));
        return grant;
      }),
      async inspect(key) {
        const info = await right.inspect(key);
        return info && { ...info, ...(info.limit && { limit: all.get(key)! }) };
      },
    };
  }),
];
