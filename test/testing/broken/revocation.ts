import type { AcquireRequest, Grant } from '../../../src/lease/driver.js';
import { sleep } from '../../support/wait.js';
import { asking, type Broken, broken, granting } from './broken.js';

const TOLD = 'a revoked holder is told, and holds nothing any more';
const GRACE = 'a holder may release within the grace, and the next waiter enters then';
const END = 'a holder loses its hold at the end of the grace, and cannot extend it before';

export const revocation: Broken[] = [
  broken(
    'revokes whoever holds the key',
    'revoking compares the fence: neither a free key nor the next holder is hit',
    (right) => ({
      async revoke(key, fence, grace) {
        const holder = (await right.inspect(key))?.holders[0];
        return right.revoke!(key, holder?.fence ?? fence, grace);
      },
    }),
  ),
  broken('tells nobody', TOLD, (right) => asking(right, () => ({ onRevoked: undefined }))),
  broken('tells the holder and takes nothing', TOLD, (right) => {
    const told = new Map<number, AcquireRequest['onRevoked']>();
    return {
      ...granting(right, (grant, { onRevoked }) => {
        told.set(grant.fence, onRevoked);
        return grant;
      }),
      async revoke(_key, fence) {
        told.get(fence)?.(0);
        return told.delete(fence);
      },
    };
  }),
  broken(
    'keeps the key from all when it revokes',
    'the next waiter gets a revoked key, under a larger fence',
    (right) => ({
      async revoke(key, fence, grace) {
        const waiting = (await right.inspect(key))?.waiters ?? 0;
        return waiting > 0 ? true : right.revoke!(key, fence, grace);
      },
    }),
  ),
  broken(
    'gives the next one the fence of the revoked',
    'the next waiter gets a revoked key, under a larger fence',
    (right) => {
      const revoked = new Map<string, number>();
      return {
        ...granting(right, (grant) => ({ ...grant, fence: revoked.get(grant.key) ?? grant.fence })),
        revoke(key, fence, grace) {
          revoked.set(key, fence);
          return right.revoke!(key, fence, grace);
        },
      };
    },
  ),
  broken('revokes all readers', 'revoking one reader leaves the others', (right) => ({
    async revoke(key, fence, grace) {
      const holders = (await right.inspect(key))?.holders ?? [];
      const revoked = await Promise.all(holders.map((each) => right.revoke!(key, each.fence, grace)));
      return revoked[holders.findIndex((each) => each.fence === fence)] ?? false;
    },
  })),
  broken('gives no grace', GRACE, (right) => ({ revoke: (key, fence) => right.revoke!(key, fence) })),
  broken('hands the key on at the end of the grace only', GRACE, (right) => {
    const graces = new Map<number, Promise<boolean>>();
    return {
      revoke(key, fence, grace) {
        const revoked = right.revoke!(key, fence, grace);
        graces.set(
          fence,
          sleep(grace ?? 0).then(() => revoked),
        );
        return revoked;
      },
      async release(grant, keepFor) {
        await graces.get(grant.fence);
        return right.release(grant, keepFor);
      },
    };
  }),
  broken('extends a hold in its grace', END, (right) => {
    return {
      async extend(grant, ttl) {
        const holders = (await right.inspect(grant.key))?.holders ?? [];
        return (
          (await right.extend(grant, ttl)) ??
          (holders.some(({ fence }) => fence === grant.fence) ? grant : null)
        );
      },
    };
  }),
  broken('prolongs a hold by the grace', 'a grace does not prolong a hold that ends before', (right) => {
    const holders = new Map<number, Grant>();
    return {
      ...granting(right, (grant) => {
        holders.set(grant.fence, grant);
        return grant;
      }),
      async revoke(key, fence, grace = 0) {
        await right.extend(holders.get(fence)!, Math.max(1, grace));
        return right.revoke!(key, fence, grace);
      },
    };
  }),
  broken(
    'tells of a revocation at every release',
    'a holder that releases or expires is told of no revocation',
    (right) => {
      const told = new Map<string, AcquireRequest['onRevoked']>();
      return {
        acquire(request) {
          told.set(request.token, request.onRevoked);
          return right.acquire(request);
        },
        release(grant, keepFor) {
          told.get(grant.token)?.(0);
          return right.release(grant, keepFor);
        },
      };
    },
  ),
];
