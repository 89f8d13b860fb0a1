import { firstOf } from '../../../src/core/abort.js';
import { LockClosedError } from '../../../src/core/errors.js';
import { memoryDriver } from '../../../src/drivers/memory.js';
import type { Grant, LockDriver } from '../../../src/lease/driver.js';
import { KeyedMutex } from '../../../src/mutex/keyed-mutex.js';
import { type Broken, type Change, forward, Lists } from './broken.js';

/** What makes drivers on one backend, as processes have them. */
export interface Shared {
  readonly createDriver: () => LockDriver;
  readonly createPeer: (driver: LockDriver) => LockDriver;
  readonly crash: (peer: LockDriver) => void;
}

const BUSY = 'waiters of a busy driver and of an idle one are served in the order of asking';
const CLOSES = 'a driver that closes gives up its places, and leaves the other’s holds and waiters';
const CRASHED = 'the hold of a crashed driver ends with its ttl, and its waiters hold up nobody';

/** Drivers on one backend in memory; `change` makes each one wrong, by itself. */
export function shared(change: Change = () => ({}), newBackend = memoryDriver): Shared {
  const backends = new WeakMap<LockDriver, LockDriver>();
  const create = (backend: LockDriver) => {
    const right = oneOf(backend);
    const driver = { ...right, ...change(right) };
    backends.set(driver, backend);
    return driver;
  };
  return {
    createDriver: () => create(newBackend()),
    createPeer: (driver) => create(backends.get(driver)!),
    // Its waiters stay in the backend's queue, and what they are granted ends with its ttl.
    crash: () => {},
  };
}

const broken = (that: string, fails: string, change: Change): Broken => ({ that, fails, ...shared(change) });

const separate = shared();

/** What drivers know in common. */
const awaited = new Set<string>();

export const peers: Broken[] = [
  {
    that: 'has a backend of its own each',
    fails: 'two drivers: a held key is given to nobody else',
    createDriver: separate.createDriver,
    createPeer: separate.createDriver,
  },
  broken(
    'has a count of fences of its own each',
    'two drivers: fences are safe integers above 0 that grow with every new owner',
    (right) => {
      let fence = 0;
      return {
        async acquire(request) {
          const grant = await right.acquire(request);
          return grant && { ...grant, fence: ++fence };
        },
      };
    },
  ),
  broken('gives each process one place in the queue', BUSY, (right) => {
    const queue = new KeyedMutex<string>();
    const inside = new Set<string>();
    return {
      async acquire(request) {
        if (request.wait === 0 || request.mode === 'read') return right.acquire(request);
        await queue.lock(request.key);
        const grant = await right.acquire(request).catch(() => null);
        if (grant) inside.add(grant.token);
        else queue.unlock(request.key);
        return grant;
      },
      async release(grant, keepFor) {
        const released = await right.release(grant, keepFor);
        if (inside.delete(grant.token)) queue.unlock(grant.key);
        return released;
      },
    };
  }),
  broken(
    'lets writers wait for readers of its own outside the queue',
    'a writer behind readers of its own driver is not overtaken by the other driver',
    (right) => {
      const reading = new Lists<string>();
      return {
        async acquire(request) {
          const readers = reading.of(request.key);
          const until = performance.now() + request.wait;
          while (request.mode === 'write' && readers.length > 0 && performance.now() < until)
            await new Promise((resolve) => setTimeout(resolve, 5));
          const grant = await right.acquire(request);
          if (grant?.mode === 'read') readers.push(grant.token);
          return grant;
        },
        release(grant, keepFor) {
          const readers = reading.of(grant.key);
          if (readers.includes(grant.token)) readers.splice(readers.indexOf(grant.token), 1);
          return right.release(grant, keepFor);
        },
      };
    },
  ),
  broken(
    'lets its own tries in first',
    'a try in one driver does not overtake a waiter of the other',
    (right) => {
      const releasing = new Map<string, Grant>();
      return {
        async acquire(request) {
          const kept = releasing.get(request.key);
          if (!kept || request.wait > 0) return right.acquire(request);
          return { ...kept, token: request.token, fence: kept.fence + 1 };
        },
        async release(grant, keepFor) {
          releasing.set(grant.key, grant);
          await null;
          releasing.delete(grant.key);
          return right.release(grant, keepFor);
        },
      };
    },
  ),
  broken(
    'wakes nobody of another process before the time is up',
    'a hold passes from driver to driver long before its ttl is over',
    (right) => {
      const mine = new Lists<string>();
      return {
        acquire(request) {
          const waiting = mine.of(request.key);
          waiting.push(request.token);
          return right.acquire(request).finally(() => waiting.splice(waiting.indexOf(request.token), 1));
        },
        async release(grant, keepFor) {
          const waiters = (await right.inspect(grant.key))?.waiters ?? 0;
          if (waiters === mine.of(grant.key).length) return right.release(grant, keepFor);
          return (await right.extend(grant, 6_000)) !== null;
        },
      };
    },
  ),
  broken(
    'extends for itself alone',
    'a hold that one driver extends is not given away by the other, until it expires',
    () => ({ extend: async (grant, ttl) => ({ ...grant, validUntil: performance.now() + ttl - 1 }) }),
  ),
  broken('shows its own holders only', 'both drivers show the same holders and waiters', (right) => {
    const own = new Set<number>();
    return {
      async acquire(request) {
        const grant = await right.acquire(request);
        if (grant) own.add(grant.fence);
        return grant;
      },
      async inspect(key) {
        const info = await right.inspect(key);
        return info && { ...info, holders: info.holders.filter(({ fence }) => own.has(fence)) };
      },
    };
  }),
  broken('rests for itself alone', 'a key rests for both drivers', (right) => {
    const until = new Map<string, number>();
    return {
      acquire: async (request) =>
        performance.now() < (until.get(request.key) ?? 0) ? null : right.acquire(request),
      release(grant, keepFor = 0) {
        until.set(grant.key, performance.now() + keepFor);
        return right.release(grant);
      },
    };
  }),
  broken(
    'tells its own holders only that they are revoked',
    'a holder in one driver is told when the other one revokes its hold',
    (right) => {
      const revoking = new Set<string>();
      return {
        acquire: (request) =>
          right.acquire({
            ...request,
            onRevoked: (grace) => void (revoking.has(request.key) && request.onRevoked?.(grace)),
          }),
        revoke(key, fence, grace) {
          revoking.add(key);
          return right.revoke!(key, fence, grace);
        },
      };
    },
  ),
  broken('leaves its places in the queue when it closes', CLOSES, (right) => {
    const closing = new AbortController();
    return {
      acquire: (request) =>
        Promise.race([
          right.acquire(request),
          new Promise<never>((_, reject) => {
            closing.signal.addEventListener('abort', () => reject(closing.signal.reason));
          }),
        ]),
      close: async () => closing.abort(new LockClosedError()),
    };
  }),
  {
    that: 'closes the backend for all',
    fails: CLOSES,
    ...(() => {
      let backend = memoryDriver();
      return shared(
        () => ({ close: () => backend.close() }),
        () => {
          backend = memoryDriver();
          return backend;
        },
      );
    })(),
  },
  broken('lets no hold end that another process has taken', CRASHED, (right) => ({
    acquire: (request) => right.acquire({ ...request, ttl: request.ttl < 1_000 ? 60_000 : request.ttl }),
  })),
  broken(
    'refuses tries as long as one who crashed would have waited',
    'the waiters of a crashed driver do not keep tries out for long',
    (right) => ({
      async acquire(request) {
        if (request.wait > 10_000) awaited.add(request.key);
        return request.wait === 0 && awaited.has(request.key) ? null : right.acquire(request);
      },
    }),
  ),
];

/** A driver that has the backend in common with others: it closes itself alone. */
function oneOf(backend: LockDriver): LockDriver {
  const closing = new AbortController();
  return {
    ...forward(backend),
    async acquire(request) {
      if (closing.signal.aborted) throw new LockClosedError(request.key);
      request.signal?.throwIfAborted();
      const { signal, done } = firstOf(closing.signal, request.signal);
      try {
        const grant = await backend.acquire({ ...request, signal });
        // One signal may end many waits: this one was let in by another that it had ended before.
        if (grant && request.signal?.aborted) await backend.release(grant);
        request.signal?.throwIfAborted();
        return grant;
      } finally {
        done();
      }
    },
    close: async () => closing.abort(new LockClosedError()),
  };
}
