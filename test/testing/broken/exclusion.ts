import type { Grant } from '../../../src/lease/driver.js';
import { sleep } from '../../support/wait.js';
import { asking, type Broken, broken, granting, Lists } from './broken.js';

const CROWD = 'whatever is asked for, a writer is alone, limits hold and fences grow';

export const exclusion: Broken[] = [
  broken('lets readers in beside a writer', 'a held key is given to nobody else', (right) =>
    asking(right, ({ key, mode }) => ({ key: mode === 'read' ? `${key} read` : key })),
  ),
  broken('shares keys that are alike', 'one key does not touch another, however alike', (right) =>
    asking(right, ({ key }) => ({ key: key.toLowerCase() })),
  ),
  broken('takes only what is ASCII for a key', 'any text may be a key', (right) => ({
    inspect: (key) => right.inspect(key.replace(/[^\x20-\x7e]/g, '?')),
  })),
  broken('lets a second writer in now and then', CROWD, (right) => {
    let asked = 0;
    const twin = (grant: Grant, token: string) => ({ ...grant, token, fence: grant.fence + 1 });
    let last: Grant | undefined;
    return {
      async acquire(request) {
        if (last && request.mode === 'write' && ++asked % 20 === 0 && last.key === request.key)
          return twin(last, request.token);
        const grant = await right.acquire(request);
        if (grant?.mode === 'write') last = grant;
        return grant;
      },
      release: async (grant) => (await right.release(grant)) || true,
    };
  }),
  broken('checks no owner', 'another token neither releases nor extends a hold', (right) => {
    const holders = new Map<string, Grant>();
    return {
      ...granting(right, (grant) => {
        holders.set(grant.key, grant);
        return grant;
      }),
      release: (grant) => right.release(holders.get(grant.key) ?? grant),
    };
  }),
  broken(
    'takes the beginning of a token for the token',
    'a token that is the beginning of the owner’s obtains nothing',
    (right) => {
      const holders = new Lists<Grant>();
      return {
        async acquire(request) {
          const alike = holders.of(request.key).find(({ token }) => token.startsWith(request.token));
          if (alike) return alike;
          const grant = await right.acquire(request);
          if (grant) holders.of(request.key).push(grant);
          return grant;
        },
      };
    },
  ),
  broken(
    'tells a reader that asks again how long the longest one holds',
    'asking again beside a reader that lasts longer reports one’s own time',
    (right) => {
      const grants = new Lists<Grant>();
      return granting(right, (grant) => {
        const all = grants.of(grant.key);
        const again = all.some(({ token }) => token === grant.token);
        all.push(grant);
        return again ? { ...grant, validUntil: Math.max(...all.map(({ validUntil }) => validUntil)) } : grant;
      });
    },
  ),
  broken('leaves waiters behind when it closes', 'closing rejects the waiters', () => ({
    close: async () => {},
  })),
  broken('serves on when it is closed', 'a closed driver gives nothing', (right) => {
    let closed = false;
    return {
      async acquire({ key, token, mode, ttl, ...request }) {
        if (!closed) return right.acquire({ key, token, mode, ttl, ...request });
        await sleep(1);
        return { key, token, mode, fence: 1, validUntil: performance.now() + ttl };
      },
      async close() {
        closed = true;
        await right.close();
      },
    };
  }),
];
