import { expect, test } from '@jest/globals';
import { memoryDriver } from '../../src/drivers/memory.js';
import type { Grant, LockDriver } from '../../src/lease/driver.js';
import { driverConformance } from '../../src/testing/conformance.js';
import { sleep } from '../support/wait.js';

/** A driver that is right but for one thing. */
function broken(change: (right: LockDriver) => Partial<LockDriver>): () => LockDriver {
  return () => {
    const right = memoryDriver();
    const driver: LockDriver = {
      acquire: (request) => right.acquire(request),
      extend: (grant, ttl) => right.extend(grant, ttl),
      release: (grant) => right.release(grant),
      inspect: (key) => right.inspect(key),
      ping: () => right.ping(),
      close: () => right.close(),
    };
    return { ...driver, ...change(right) };
  };
}

function casesOf(createDriver: () => LockDriver): Map<string, () => Promise<void>> {
  const cases = new Map<string, () => Promise<void>>();
  driverConformance({ createDriver, expect, test: (name, fn) => cases.set(name, fn) });
  return cases;
}

const passes = (run: () => Promise<void>) =>
  run().then(
    () => true,
    () => false,
  );

const BROKEN: [string, string, () => LockDriver][] = [
  [
    'leaves waiters behind when it closes',
    'closing rejects who waits',
    broken(() => ({ close: async () => {} })),
  ],
  [
    'checks no owner',
    'another token neither releases nor extends a hold',
    broken((right) => {
      const holders = new Map<string, Grant>();
      return {
        async acquire(request) {
          const grant = await right.acquire(request);
          if (grant) holders.set(grant.key, grant);
          return grant;
        },
        release: (grant) => right.release(holders.get(grant.key) ?? grant),
      };
    }),
  ],
  [
    'takes the beginning of a token for the token',
    'a token that is the beginning of the owner’s obtains nothing',
    broken((right) => {
      const holders: Grant[] = [];
      return {
        async acquire(request) {
          const alike = holders.find(
            ({ key, token }) => key === request.key && token.startsWith(request.token),
          );
          if (alike) return alike;
          const grant = await right.acquire(request);
          if (grant) holders.push(grant);
          return grant;
        },
      };
    }),
  ],
  [
    'forgets a waiter',
    'a waiter gets the key when it is released',
    broken((right) => ({
      async acquire(request) {
        const grant = await right.acquire({ ...request, wait: 0 });
        if (grant) return grant;
        await sleep(Math.min(request.wait, 1_000));
        return null;
      },
    })),
  ],
  [
    'repeats a fence',
    'fences are safe integers above 0 that grow with every new owner',
    broken((right) => ({
      async acquire(request) {
        const grant = await right.acquire(request);
        return grant && { ...grant, fence: 7 };
      },
    })),
  ],
  [
    'lets two in at an expiry',
    'an expiry lets the next waiter in by itself, and no second one',
    broken((right) => {
      const seen = new Map<string, number>();
      return {
        async acquire(request) {
          const until = seen.get(request.key);
          if (until === undefined) seen.set(request.key, performance.now() + request.ttl);
          if (until === undefined || request.wait === 0) return right.acquire(request);
          await sleep(until - performance.now() + 5);
          const mode = 'read';
          return right.acquire({ ...request, mode });
        },
      };
    }),
  ],
  [
    'polls without a line',
    'waiters are served in the order of asking',
    broken((right) => {
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
  ],
  [
    'lets readers overtake a writer',
    'a reader behind a waiting writer waits for it',
    broken((right) => {
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
  ],
  [
    'adds instead of setting',
    'an extension sets the time left: it can shorten it',
    broken((right) => ({
      extend: (grant, ttl) => right.extend(grant, Math.max(0, grant.validUntil - performance.now()) + ttl),
    })),
  ],
  [
    'counts a lease from its arrival, and more',
    'validUntil counts from before the grant',
    broken((right) => ({
      async acquire(request) {
        const grant = await right.acquire(request);
        return grant && { ...grant, validUntil: grant.validUntil + 1_000 };
      },
    })),
  ],
  [
    'takes an abort for a time-out',
    'an abort rejects a waiter with the signal’s reason',
    broken((right) => ({ acquire: (request) => right.acquire(request).catch(() => null) })),
  ],
  [
    'shares keys that are alike',
    'one key does not touch another, however alike',
    broken((right) => ({
      acquire: (request) => right.acquire({ ...request, key: request.key.toLowerCase() }),
    })),
  ],
];

test.each(BROKEN)('a driver that %s fails the case: %s', async (_, sentence, createDriver) => {
  const run = casesOf(createDriver).get(sentence)!;
  expect(await passes(run)).toBe(false);
  expect(await passes(casesOf(memoryDriver).get(sentence)!)).toBe(true);
});

test('every case has a name of its own, grouped or not', () => {
  const names: string[] = [];
  driverConformance({ createDriver: memoryDriver, expect, test: (name) => names.push(name) });
  expect(new Set(names).size).toBe(names.length);
  expect(names.length).toBeGreaterThan(50);
  const groups: string[] = [];
  const describe = (name: string, fn: () => void) => {
    groups.push(name);
    fn();
  };
  driverConformance({ createDriver: memoryDriver, expect, describe, test: (name) => names.push(name) });
  expect(groups).toContain('exclusion');
});
