import type { AcquireRequest, Grant, LockDriver } from '../../../src/lease/driver.js';
import { sleep } from '../../support/wait.js';
import { asking, type Broken, broken, granting } from './broken.js';

/** How long after its end a hold comes back, where it does: before anybody else looks, in ms. */
const SOON = 1_000;

export const expiry: Broken[] = [
  broken('ends no hold', 'a hold that is not extended expires', (right) =>
    asking(right, ({ ttl }) => ({ ttl: 100 * ttl })),
  ),
  broken(
    'lets two in at an expiry',
    'an expiry lets the next waiter in by itself, and no second one',
    (right) => {
      const seen = new Map<string, number>();
      return {
        async acquire(request) {
          const until = seen.get(request.key);
          if (until === undefined) seen.set(request.key, performance.now() + request.ttl);
          if (until === undefined || request.wait === 0) return right.acquire(request);
          await sleep(until - performance.now() + 5);
          return right.acquire({ ...request, mode: 'read' });
        },
      };
    },
  ),
  broken(
    'revives a hold that has just expired',
    'an expired hold cannot be extended, from the first moment on',
    (right) => {
      const ended = new Ended(right);
      return {
        ...ended.driver,
        extend: async (grant, ttl) => (await right.extend(grant, ttl)) ?? ended.revive(grant, ttl),
      };
    },
  ),
  broken(
    'revives expired holds when it extends many',
    'an expired hold cannot be extended among many, from the first moment on',
    (right) => {
      const ended = new Ended(right);
      return {
        ...ended.driver,
        extendMany: (extensions) =>
          Promise.all(
            extensions.map(
              async ({ grant, ttl }) => (await right.extend(grant, ttl)) ?? ended.revive(grant, ttl),
            ),
          ),
      };
    },
  ),
  broken(
    'says that the release of an expired hold freed it',
    'the release of an expired hold answers false, from the first moment on',
    (right) => {
      const ended = new Ended(right);
      return { ...ended.driver, release: async (grant) => ended.recent(grant) || right.release(grant) };
    },
  ),
  broken('believes in every hold for a second too long', 'validUntil counts from before the grant', (right) =>
    granting(right, (grant) => ({ ...grant, validUntil: grant.validUntil + 1_000 })),
  ),
  broken(
    'counts a hold from when the answer is read',
    'validUntil counts from before the grant, also where the answer is read late',
    (right) =>
      granting(right, async (grant, { ttl }) => {
        await turn();
        return { ...grant, validUntil: performance.now() + ttl };
      }),
  ),
  broken(
    'counts an extension from when the answer is read',
    'validUntil counts from before the grant, also where the answer is read late',
    (right) => ({
      async extend(grant, ttl) {
        const extended = await right.extend(grant, ttl);
        await turn();
        return extended && { ...extended, validUntil: performance.now() + ttl };
      },
    }),
  ),
  broken(
    'tells who waited a time that is too long',
    'validUntil of a hold has passed when the next holder is granted the key',
    (right) =>
      granting(right, (grant, { wait, ttl }) => ({
        ...grant,
        validUntil: grant.validUntil + (wait > 0 && ttl < 4_000 ? ttl : 0),
      })),
  ),
  broken(
    'counts the ttl from the asking',
    'a waiter’s ttl counts from the grant, not from the asking',
    (right) => ({
      async acquire(request) {
        const asked = performance.now();
        const grant = await right.acquire(request);
        return grant && right.extend(grant, Math.max(1, asked + request.ttl - performance.now()));
      },
    }),
  ),
  broken('takes a wait of a month for one of a moment', 'a wait of a month does not end at once', (right) =>
    asking(right, ({ wait }) => ({ wait: wait > 2 ** 31 && wait < Infinity ? 1 : wait })),
  ),
  broken('takes a ttl of a month for one of a moment', 'a hold of a month does not end at once', (right) =>
    asking(right, ({ ttl }) => ({ ttl: ttl > 2 ** 31 ? 1 : ttl })),
  ),
  broken(
    'extends by a moment instead of a month',
    'an extension by a month does not end at once',
    (right) => ({
      async extend(grant, ttl) {
        const extended = await right.extend(grant, ttl > 2 ** 31 ? 1 : ttl);
        return extended && { ...extended, validUntil: performance.now() + ttl - 1 };
      },
    }),
  ),
];

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** What a driver knows of holds that have ended by themselves. */
class Ended {
  readonly #requests = new Map<string, AcquireRequest>();
  readonly #released = new Set<string>();
  readonly #right: LockDriver;
  readonly driver: Pick<LockDriver, 'acquire' | 'release'>;

  constructor(right: LockDriver) {
    this.#right = right;
    this.driver = {
      acquire: (request) => {
        this.#requests.set(request.token, request);
        return right.acquire(request);
      },
      release: (grant) => {
        this.#released.add(grant.token);
        return right.release(grant);
      },
    };
  }

  recent({ token, validUntil }: Grant): boolean {
    const since = performance.now() - validUntil;
    return since >= 0 && since < SOON && !this.#released.has(token);
  }

  async revive(grant: Grant, ttl: number): Promise<Grant | null> {
    if (!this.recent(grant) || (await this.#right.inspect(grant.key))) return null;
    const again = await this.#right.acquire({ ...this.#requests.get(grant.token)!, ttl, wait: 0 });
    return again && { ...again, fence: grant.fence };
  }
}
