import type { Clock } from '../core/clock.js';
import type { HeldLease } from './held-lease.js';

/** The leases that have not ended. */
export class LeaseSet extends Set<HeldLease> {
  #onEmpty: (() => void) | undefined;

  override delete(lease: HeldLease): boolean {
    const had = super.delete(lease);
    if (this.size === 0) this.#onEmpty?.();
    return had;
  }

  /** Resolves when no lease is left, or `ms` have passed. */
  empty(ms: number, clock: Clock): Promise<void> {
    if (this.size === 0 || ms === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = clock.after(ms, resolve);
      this.#onEmpty = () => {
        timer.cancel();
        resolve();
      };
    });
  }
}
