import type { HeldLease } from './held-lease.js';
import { runHolding } from './holding.js';
import type { Lease } from './lease.js';

/** The function of a `with`, as its user wrote it. */
export type Work<T> = (lease: Lease) => T | Promise<T>;

/** Runs `fn` as the holder of the lease, then releases it. What `fn` throws is what you see, whatever the release did. */
export async function runUnder<T>(lease: HeldLease, fn: Work<T>, takenAt: object): Promise<T> {
  lease.keepAlive(true);
  try {
    const value = await runHolding(lease, takenAt, fn);
    await lease.finish();
    return value;
  } catch (error) {
    await lease[Symbol.asyncDispose]();
    throw error;
  } finally {
    lease.keepAlive(false);
  }
}
