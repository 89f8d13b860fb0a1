import type { AcquireRequest, Grant, LockDriver } from '../../../src/lease/driver.js';
import { sleep } from '../../support/wait.js';
import { type Broken, broken, granting, Lists } from './broken.js';

export const readers: Broken[] = [
  broken('lets readers overtake a writer', 'a reader behind a waiting writer waits for it', (right) => {
    const reading = new Map<string, Grant>();
    return {
      async acquire(request) {
        const reader = reading.get(request.key);
        if (request.mode === 'read' && reader) return { ...reader, token: request.token };
        const grant = await right.acquire(request);
        if (grant?.mode === 'read') reading.set(grant.key, grant);
        return grant;
      },
    };
  }),
  broken(
    'lets three readers overtake a writer together',
    'many readers behind a waiting writer wait for it, also when another reader leaves',
    (right) => ({ acquire: overtakingInThrees(right) }),
  ),
  broken('lets in 16 readers and no more', 'any number of readers hold together', (right) =>
    capped(right, 'tries'),
  ),
  broken(
    'lets in 16 readers that waited and no more',
    'any number of readers that wait enter together',
    (right) => capped(right, 'waits'),
  ),
  broken('lets all readers expire with the first', 'readers expire one by one', (right) => {
    const grants = new Lists<Grant>();
    return granting(right, async (grant) => {
      const all = grants.of(grant.key);
      all.push(grant);
      const first = Math.min(...all.map(({ validUntil }) => validUntil));
      if (grant.mode === 'read') await right.extend(grant, Math.max(1, first - performance.now()));
      return grant;
    });
  }),
];

function overtakingInThrees(right: LockDriver): LockDriver['acquire'] {
  const inside = new Map<string, Grant>();
  const waiting = new Lists<(grant: Grant) => void>();
  return async (request: AcquireRequest) => {
    const early = new Promise<Grant>((resolve) => {
      const reader = inside.get(request.key);
      if (request.mode !== 'read' || request.wait === 0 || !reader) return;
      const all = waiting.of(request.key);
      all.push((grant) => resolve({ ...grant, token: request.token }));
      if (all.length >= 3) for (const enter of all.splice(0)) enter(reader);
    });
    const asked = right.acquire(request);
    asked.catch(() => {});
    const grant = await Promise.race([asked, early]);
    if (grant?.mode === 'read') inside.set(grant.key, grant);
    return grant;
  };
}

function capped(right: LockDriver, what: 'tries' | 'waits'): Partial<LockDriver> {
  const inside = new Lists<string>();
  return {
    async acquire(request) {
      const all = inside.of(request.key);
      const counts = request.mode === 'read' && (what === 'tries') === (request.wait === 0);
      if (counts && all.length >= 16 && what === 'tries') return null;
      const until = performance.now() + request.wait;
      const grant = await right.acquire(request);
      if (!grant || !counts) return grant;
      for (; all.length >= 16; await sleep(10)) if (performance.now() > until) return null;
      all.push(request.token);
      return grant;
    },
    async release(grant, keepFor) {
      const all = inside.of(grant.key);
      if (all.includes(grant.token)) all.splice(all.indexOf(grant.token), 1);
      return right.release(grant, keepFor);
    },
  };
}
