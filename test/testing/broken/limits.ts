import type { Grant } from '../../../src/lease/driver.js';
import { sleep } from '../../support/wait.js';
import { asking, type Broken, broken, granting, Lists } from './broken.js';

export const limits: Broken[] = [
  broken(
    'knows no limits',
    'no more are inside than the limit, and one who leaves makes room for one',
    (right) => asking(right, () => ({ limit: undefined })),
  ),
  broken('lets one more in than the limit', 'a limit of 1 lets one in', (right) =>
    asking(right, ({ limit }) => ({ limit: limit && limit + 1 })),
  ),
  broken('keeps the first limit of a key for all', 'each one’s limit is its own', (right) => {
    const first = new Map<string, number>();
    return asking(right, ({ key, limit }) => {
      if (limit && !first.has(key)) first.set(key, limit);
      return { limit: limit && first.get(key)! };
    });
  }),
  broken('counts those with a limit only', 'plain readers count towards a limit, and have none', (right) => {
    const plain = new Lists<string>();
    return {
      ...asking(right, ({ key, mode, limit, token }) => {
        if (mode === 'read' && !limit) plain.of(key).push(token);
        return { limit: limit && limit + plain.of(key).length };
      }),
    };
  }),
  broken(
    'takes one with a limit of 9 for a writer',
    'a writer keeps those with a limit out, and they keep a writer out',
    (right) => asking(right, ({ limit, key }) => (limit === 9 ? { key: `${key} of nine` } : {})),
  ),
  broken(
    'lets in all that wait behind a writer',
    'of those who wait behind a writer, as many enter as fit',
    (right) => asking(right, ({ limit, wait }) => ({ limit: wait > 0 ? limit && 99 : limit })),
  ),
  broken(
    'lets whoever fits overtake one who does not',
    'nobody overtakes one whose limit is not met',
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
    'a head whose limit is not met and that leaves lets in those behind it',
    (right) => ({
      async acquire(request) {
        // Whoever leaves is held in its place by another in its stead.
        const leaves = request.wait > 0 && (request.signal || request.wait < 1_000);
        if (leaves)
          right
            .acquire({ ...request, token: `${request.token} stays`, wait: 8_000, signal: undefined })
            .catch(() => {});
        return right.acquire(request);
      },
    }),
  ),
  broken(
    'serves those with a limit last',
    'those with a limit are served in the order of asking, among readers and writers',
    (right) => ({
      async acquire(request) {
        if (request.limit && request.wait > 0) await sleep(400);
        return right.acquire(request);
      },
    }),
  ),
  broken(
    'keeps the room of one whose time ran out',
    'one whose time runs out makes room for the next',
    (right) => asking(right, ({ limit, ttl }) => ({ ttl: limit ? ttl * 100 : ttl })),
  ),
  broken('prolongs none that has a limit', 'one that is extended keeps its room', (right) => {
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
    'of a hundred who wait with a limit of 7, all get in, and never more than 7 at once',
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
  broken(
    'shows the largest limit',
    'inspecting shows the smallest limit of those inside, where one has a limit',
    (right) => {
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
    },
  ),
];
