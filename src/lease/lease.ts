/// <reference lib="esnext.disposable" preserve="true" />

import type { Duration } from '../core/duration.js';
import type { LockMode } from './driver.js';

/** A lock with a time limit, on one key or several. */
export interface Lease extends AsyncDisposable {
  /** The key, or the first of several. */
  readonly key: string;
  /** All keys, sorted. */
  readonly keys: readonly string[];
  readonly mode: LockMode;
  /** The owner's secret. Never log it. */
  readonly token: string;
  /** A safe integer that grows with every new ownership of the key. With several keys, the largest of their fences. */
  readonly fence: number;
  readonly meta: Readonly<Record<string, string>>;
  /**
   * Aborts with a LockLostError when the lease is lost, at the latest when its time is over. A revocation aborts it at
   * once, also before the grace is over. A release does not abort it. In `lead`, it also aborts when the call must end, with
   * that reason.
   */
  readonly signal: AbortSignal;
  /** True only while the lease is surely held. It compares the clock at each read. */
  readonly held: boolean;
  /** @throws LockLostError when it was lost, LockNotHeldError when it was released. */
  ensureHeld(): void;
  /** ms left; 0 once lost or released. */
  ttl(): number;
  /**
   * Sets the time left to `ttl`, by default that of the acquire. Resolves to false when the lease is lost or released.
   * @throws LockBackendError when the backend fails. The lease then lasts for its former time, or for `ttl` if that is
   * shorter, since it is unknown whether the time was set.
   */
  refresh(ttl?: Duration): Promise<boolean>;
  /** Adds `by` to the time left. Otherwise as {@link refresh}. */
  extend(by: Duration): Promise<boolean>;
  /**
   * Releases the keys. A second call resolves to the same answer. Resolves to false when the lease was no longer held.
   * @throws LockBackendError when the backend fails. The keys are then free when their time is over.
   */
  release(): Promise<boolean>;
}
