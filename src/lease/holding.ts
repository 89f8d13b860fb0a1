import { AsyncLocalStorage } from 'node:async_hooks';
import { LockDeadlockError } from '../core/errors.js';
import type { HeldLease } from './held-lease.js';
import type { Lease } from './lease.js';

/** One `with` that is running, and those it runs inside. */
interface Holding {
  readonly locker: object;
  readonly lease: HeldLease;
  readonly takenAt: { stack?: string };
  readonly outer: Holding | undefined;
}

const holdings = new AsyncLocalStorage<Holding>();

/** The lease of the innermost `with()` or `@WithLock` around this call, in this async context. */
export function currentLease(): Lease | undefined {
  return holdings.getStore()?.lease;
}

/** Runs `fn` as the holder of `lease`. */
export function runHolding<T>(locker: object, lease: HeldLease, takenAt: object, fn: () => T): T {
  return holdings.run({ locker, lease, takenAt, outer: holdings.getStore() }, fn);
}

/** @throws LockDeadlockError when one of the keys is held by a `with` of this locker around this call. */
export function checkDeadlock(locker: object, keys: readonly string[]): void {
  for (let holding = holdings.getStore(); holding; holding = holding.outer) {
    if (holding.locker !== locker || !holding.lease.held) continue;
    const again = keys.find((key) => holding.lease.keys.includes(key));
    if (again !== undefined) throw new LockDeadlockError(again, frames(holding.takenAt.stack));
  }
}

/** Where `fn`'s caller stands, to be shown later; formatting is left until then. */
export function callSite(fn: (...args: never[]) => unknown): object {
  const site = {};
  Error.captureStackTrace(site, fn);
  return site;
}

const frames = (stack = '') => stack.split('\n').slice(1, 4).join('\n');
