import { memoryDriver } from '../../../src/drivers/memory.js';
import type { AcquireRequest, Grant, LockDriver } from '../../../src/lease/driver.js';
import type { ConformanceOptions } from '../../../src/testing/conformance.js';

/** A driver that is right but for one thing, and the case of the suite that fails for it. */
export interface Broken extends Pick<ConformanceOptions, 'createPeer' | 'crash'> {
  /** As in "a driver that …". */
  readonly that: string;
  readonly fails: string;
  readonly createDriver: () => LockDriver;
}

/** What a broken driver does otherwise than the right one that it is made of. */
export type Change = (right: LockDriver) => Partial<LockDriver>;

/** A driver in memory, changed. */
export function broken(that: string, fails: string, change: Change): Broken {
  return {
    that,
    fails,
    createDriver() {
      const right = memoryDriver();
      return { ...forward(right), ...change(right) };
    },
  };
}

/** The same driver, as an object whose methods can be taken one by one. */
export function forward(driver: LockDriver): LockDriver {
  return {
    acquire: (request) => driver.acquire(request),
    extend: (grant, ttl) => driver.extend(grant, ttl),
    ...(driver.extendMany && { extendMany: (extensions) => driver.extendMany!(extensions) }),
    release: (grant, keepFor) => driver.release(grant, keepFor),
    inspect: (key) => driver.inspect(key),
    ...(driver.list && { list: (prefix) => driver.list!(prefix) }),
    ...(driver.revoke && { revoke: (key, fence, grace) => driver.revoke!(key, fence, grace) }),
    ping: () => driver.ping(),
    close: () => driver.close(),
  };
}

/** `acquire` that changes what was granted. */
export function granting(
  right: LockDriver,
  change: (grant: Grant, request: AcquireRequest) => Grant | Promise<Grant>,
): Pick<LockDriver, 'acquire'> {
  return {
    async acquire(request) {
      const grant = await right.acquire(request);
      return grant && change(grant, request);
    },
  };
}

/** `acquire` that changes what is asked for. */
export function asking(
  right: LockDriver,
  change: (request: AcquireRequest) => Partial<AcquireRequest>,
): Pick<LockDriver, 'acquire'> {
  return { acquire: (request) => right.acquire({ ...request, ...change(request) }) };
}

/** Lists by key, made when they are first asked for. */
export class Lists<T> extends Map<string, T[]> {
  of(key: string): T[] {
    const list = this.get(key) ?? [];
    this.set(key, list);
    return list;
  }
}
