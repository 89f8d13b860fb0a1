import { sleep } from '../../support/wait.js';
import { type Broken, broken } from './broken.js';

export const rests: Broken[] = [
  broken('knows no rest', 'nobody gets a resting key before the rest is over', (right) => ({
    release: (grant) => right.release(grant),
  })),
  broken('rests half as long', 'nobody gets a resting key before the rest is over', (right) => ({
    release: (grant, keepFor) => right.release(grant, keepFor && keepFor / 2),
  })),
  broken(
    'leaves the hold to its owner while the key rests',
    'a resting key has no holder, and the last one can neither release nor extend it',
    (right) => ({
      async release(grant, keepFor = 0) {
        return keepFor > 0 ? (await right.extend(grant, keepFor)) !== null : right.release(grant);
      },
    }),
  ),
  broken(
    'lets who waited in before the rest',
    'a waiter from before the rest gets the key when the rest is over',
    (right) => ({
      async release(grant, keepFor) {
        const waiters = (await right.inspect(grant.key))?.waiters ?? 0;
        return right.release(grant, waiters > 0 ? 0 : keepFor);
      },
    }),
  ),
  broken(
    'forgets who waits when a rest is over',
    'a waiter that comes during the rest gets the key when the rest is over',
    (right) => {
      const resting = new Map<string, number>();
      return {
        async acquire(request) {
          if (request.wait === 0 || !resting.has(request.key)) return right.acquire(request);
          await sleep(request.wait);
          return null;
        },
        release(grant, keepFor = 0) {
          if (keepFor > 0) resting.set(grant.key, keepFor);
          return right.release(grant, keepFor);
        },
      };
    },
  ),
  broken('serves last who waited before a rest', 'a rest keeps the order of the waiters', (right) => {
    let rested = 0;
    return {
      async acquire(request) {
        if (request.wait === 0 || rested > 0) return right.acquire(request);
        const first = new AbortController();
        const asked = right.acquire({ ...request, signal: first.signal }).catch(() => 'again' as const);
        const looking = setInterval(() => rested > 0 && first.abort(new Error('again')), 5);
        const answer = await asked;
        clearInterval(looking);
        if (answer !== 'again') return answer;
        await sleep(100);
        return right.acquire(request);
      },
      release(grant, keepFor = 0) {
        if (keepFor > 0) rested++;
        return right.release(grant, keepFor);
      },
    };
  }),
  broken(
    'rests exclusive holds only',
    'a shared hold that rests keeps out writers, and callers whose limit it fills',
    (right) => ({
      release: (grant, keepFor) => right.release(grant, grant.mode === 'write' ? keepFor : 0),
    }),
  ),
  broken(
    'lets no wait end while a key rests',
    'a wait that runs out during a rest answers null, and an abort rejects',
    (right) => ({
      async acquire(request) {
        const rests = (await right.inspect(request.key))?.restsUntil !== undefined;
        const { wait } = request;
        return right.acquire({ ...request, wait: rests && wait > 0 ? Math.max(wait, 60_000) : wait });
      },
    }),
  ),
  broken('rests though the hold was lost', 'keepFor does nothing for a lost hold', (right) => ({
    async release(grant, keepFor) {
      const released = await right.release(grant, keepFor);
      if (released || !keepFor) return released;
      await right.acquire({
        key: grant.key,
        token: 'rest',
        mode: 'write',
        ttl: keepFor,
        wait: 0,
        retryInterval: 20,
        meta: {},
      });
      return false;
    },
  })),
  broken(
    'shows how long a key rests instead of until when',
    'inspecting shows until when a key rests',
    (right) => ({
      async inspect(key) {
        const info = await right.inspect(key);
        return info && { ...info, ...(info.restsUntil && { restsUntil: info.restsUntil - Date.now() }) };
      },
    }),
  ),
  broken('hides a key that rests', 'inspecting shows until when a key rests', (right) => ({
    async inspect(key) {
      const info = await right.inspect(key);
      return info?.restsUntil ? null : info;
    },
  })),
  broken('shows a rest that is over', 'inspecting a key after its rest answers null', (right) => {
    const rested = new Set<string>();
    return {
      async inspect(key) {
        const info = await right.inspect(key);
        if (info?.restsUntil) rested.add(key);
        const over = { key, mode: 'write', waiters: 0, holders: [], waiting: [], restsUntil: 1 } as const;
        return info ?? (rested.has(key) ? { ...over, holders: [], waiting: [] } : null);
      },
      release: async (grant, keepFor = 0) => {
        if (keepFor > 0) rested.add(grant.key);
        return right.release(grant, keepFor);
      },
    };
  }),
  broken('shows a rest of every held key', 'inspecting a held key shows no rest', (right) => ({
    async inspect(key) {
      const info = await right.inspect(key);
      return info && { restsUntil: Date.now(), ...info };
    },
  })),
];
