import type { Grant } from '../../../src/lease/driver.js';
import { type Broken, broken, granting } from './broken.js';

export const fences: Broken[] = [
  broken('repeats a fence', 'fences are safe integers above 0 that grow with every new owner', (right) =>
    granting(right, (grant) => ({ ...grant, fence: 7 })),
  ),
  broken(
    'keeps the fence when it hands a hold over',
    'a fence grows when a hold is handed to a waiter',
    (right) => {
      const released = new Map<string, number>();
      return {
        ...granting(right, (grant, { wait }) => {
          const fence = wait > 0 ? released.get(grant.key) : undefined;
          return fence === undefined ? grant : { ...grant, fence };
        }),
        release(grant) {
          released.set(grant.key, grant.fence);
          return right.release(grant);
        },
      };
    },
  ),
  broken(
    'repeats a fence after an expiry that nobody waited for',
    'a fence grows when a hold has expired and nobody waited, also for the same token',
    (right) => {
      const last = new Map<string, Grant>();
      return {
        ...granting(right, (grant, { wait }) => {
          const before = last.get(grant.key);
          const expired = wait === 0 && before && before.validUntil <= performance.now();
          const mine = expired ? { ...grant, fence: before.fence } : grant;
          last.set(grant.key, mine);
          return mine;
        }),
        release(grant) {
          last.delete(grant.key);
          return right.release(grant);
        },
      };
    },
  ),
  broken(
    'knows nothing of the fences of other keys',
    'a fence grows beyond that of other keys which the hold was used under',
    (right) => ({ release: (grant, keepFor) => right.release({ ...grant, fence: 1 }, keepFor) }),
  ),
  broken('gives a new fence with each extension', 'an extension keeps the fence', (right) => ({
    async extend(grant, ttl) {
      const extended = await right.extend(grant, ttl);
      return extended && { ...extended, fence: extended.fence + 1 };
    },
  })),
  broken('gives readers one fence', 'readers together have a fence each', (right) => {
    const reading = new Map<string, number>();
    return granting(right, (grant) => {
      if (grant.mode === 'write') return grant;
      const fence = reading.get(grant.key) ?? grant.fence;
      reading.set(grant.key, fence);
      return { ...grant, fence };
    });
  }),
];
