import { AsyncLocalStorage } from 'node:async_hooks';
import { LockDeadlockError } from '../core/errors.js';
import type { Backend } from './backend.js';
import type { HeldLease } from './held-lease.js';
import type { Lease } from './lease.js';

/** One `with` that is running, and those it runs inside that still held their keys when the latest began. */
interface Holding {
  readonly lease: HeldLease;
  takenAt: { stack?: string } | undefined;
  outer: Holding | undefined;
}

// How many lines of a call site are shown.
const FRAMES = 3;

const holdings = new AsyncLocalStorage<Holding>();

/** The lease of the innermost `with()` or `@WithLock` around this call, in this async context. */
export function currentLease(): Lease | undefined {
  return holdings.getStore()?.lease;
}

/** Runs `fn` as the holder of `lease`. */
export function runHolding<T>(lease: HeldLease, takenAt: object, fn: (lease: Lease) => T): T {
  return holdings.run({ lease, takenAt, outer: withoutEnded(holdings.getStore()) }, fn, lease);
}

/** @throws LockDeadlockError when one of the keys is held by a `with` around this call, of whatever locker. */
export function checkDeadlock(backend: Backend, prefix: string, keys: readonly string[]): void {
  for (let holding = holdings.getStore(); holding; holding = holding.outer) {
    const { lease, takenAt } = holding;
    if (lease.backend !== backend || lease.prefix !== prefix || !lease.held) continue;
    const again = keys.find((key) => lease.keys.includes(key));
    if (again !== undefined) throw new LockDeadlockError(again, frames(takenAt?.stack));
  }
}

/** Takes those out whose lease is over: work that begins itself again from inside its `with` must not keep all before it. */
function withoutEnded(innermost: Holding | undefined): Holding | undefined {
  const chain: Holding[] = [];
  for (let holding = innermost; holding; holding = holding.outer) chain.push(holding);
  let outer: Holding | undefined;
  for (const holding of chain.reverse()) {
    holding.outer = outer;
    if (holding.lease.held) outer = holding;
    else {
      // A stack that was not formatted keeps what its functions were called on, such as a timer and its async context.
      holding.takenAt = undefined;
      holding.lease.forgetContext();
    }
  }
  return outer;
}

/** Where `fn`'s caller stands, to be shown later; formatting is left until then. */
export function callSite(fn: (...args: never[]) => unknown): object {
  const site = {};
  const { stackTraceLimit } = Error;
  // Each frame costs; and where Error is frozen, setting it must not throw.
  Reflect.set(Error, 'stackTraceLimit', FRAMES);
  Error.captureStackTrace(site, fn);
  Reflect.set(Error, 'stackTraceLimit', stackTraceLimit);
  return site;
}

const frames = (stack = '') => stack.split('\n').slice(1).join('\n');
