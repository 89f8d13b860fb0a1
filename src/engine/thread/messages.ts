import type { LockMode, RenewalOutcome } from '../../lease/driver.js';
import type { SharedTime } from './shared-clock.js';

/** What the thread is started with. */
export interface ThreadData {
  readonly time: SharedTime;
  /** What it opens its store by. */
  readonly store: unknown;
}

/** A hold, as it is told to the thread. */
export interface HoldMessage {
  /** Its number among those of the thread. */
  readonly id: number;
  readonly key: string;
  readonly token: string;
  readonly mode: LockMode;
  readonly memory: SharedArrayBuffer;
  /** Shared ms. */
  readonly until: number;
  /** ms. */
  readonly maxBlock: number;
  /** Whether somebody wants to know of each renewal. */
  readonly traced?: boolean;
}

export type ToThread =
  /** Renews the hold from now on. */
  | { readonly renew: HoldMessage }
  /** Its ttl has changed, or its time has become shorter. */
  | { readonly retimed: number }
  /** They are over. */
  | { readonly forget: readonly number[] };

export type FromThread =
  /** It is connected. */
  | { readonly ready: true }
  /** What came of a renewal, where that is asked for. */
  | { readonly renewal: number; readonly outcome: RenewalOutcome }
  /** The thread has found that it is over. */
  | { readonly lost: number }
  /** The store says that it is being taken away, `grace` ms from now at the latest. */
  | { readonly revoked: number; readonly grace: number };
