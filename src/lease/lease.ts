/// <reference lib="esnext.disposable" preserve="true" />

import type { Duration } from '../core/duration.js';
import type { LockMode } from './driver.js';

/** What a holder holds: one key, or several at once. */
export interface Lease extends AsyncDisposable {
  /** The key; the first one of several. */
  readonly key: string;
  /** All the keys, sorted. */
  readonly keys: readonly string[];
  readonly mode: LockMode;
  /** The owner's secret. Never log it. */
  readonly token: string;
  /** A safe integer that grows with every new ownership of the key; of several keys, the largest. */
  readonly fence: number;
  readonly meta: Readonly<Record<string, string>>;
  /**
   * Aborts with a LockLostError when the lease is lost, at the latest when its time is up, and when it is revoked with a
   * grace, which is before. Not on release. In `lead`, also with the reason of what ends the leading.
   */
  readonly signal: AbortSignal;
  /** True only while the lease is surely held, by the clock at this moment. */
  readonly held: boolean;
  /** @throws LockLostError when it was lost, LockNotHeldError when it was released. */
  ensureHeld(): void;
  /** ms left; 0 once lost or released. */
  ttl(): number;
  /**
   * Sets the time left to `ttl`, by default that of the acquiring. False: the lease is lost, or was released.
   * @throws LockBackendError when the backend fails: the lease is then held for its former time, or for `ttl` if that is
   * shorter, since nobody knows whether it was set.
   */
  refresh(ttl?: Duration): Promise<boolean>;
  /** Adds `by` to the time left. Otherwise as {@link refresh}. */
  extend(by: Duration): Promise<boolean>;
  /**
   * Gives the keys back. Asking again is fine, and answers the same. False: it was no longer ours.
   * @throws LockBackendError when the backend fails: the keys are then free when their time is up.
   */
  release(): Promise<boolean>;
}
