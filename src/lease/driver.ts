import type { LossReason } from '../core/errors.js';

/** `'write'` excludes everyone; `'read'` excludes writers, and beyond a `limit` other readers too. */
export type LockMode = 'write' | 'read';

export interface AcquireRequest {
  /** The full name, `<prefix>{<key>}`: see {@link lockName}. A driver uses it as it is. */
  readonly key: string;
  /** The owner's secret. Two requests with one token are one request. */
  readonly token: string;
  readonly mode: LockMode;
  /** With mode `'read'`: it enters while fewer than this many are inside. Default: no limit. */
  readonly limit?: number | undefined;
  /** The lease's time in ms, whole and at least 1. */
  readonly ttl: number;
  /** How long to wait in the queue, in ms; 0 tries once, `Infinity` waits for ever. A hard limit, whatever the backend does. */
  readonly wait: number;
  /** How long the answer to a single try may take, in ms, before it is an outage. Default 1,000. */
  readonly patience?: number | undefined;
  /** ms between tries, for a backend that cannot notify. */
  readonly retryInterval: number;
  readonly meta: Readonly<Record<string, string>>;
  /** Leaves the queue and rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Called when the hold that this request got is revoked: it ends `grace` ms from now, unless it is released before. */
  readonly onRevoked?: ((grace: number) => void) | undefined;
}

/** One hold of one key. */
export interface Grant {
  readonly key: string;
  readonly token: string;
  readonly mode: LockMode;
  /** Grows with every new ownership of the key. */
  readonly fence: number;
  /** `performance.now()` ms until which the hold is surely ours: counted from before the backend granted it. */
  readonly validUntil: number;
}

/** Who holds a key, and who waits for it. */
export interface LockInfo {
  key: string;
  /** Of the holders; of the first waiter where nobody holds the key. */
  mode: LockMode;
  /** The smallest limit among the holders, where one has a limit. */
  limit?: number;
  /** Callers that wait, in all processes. */
  waiters: number;
  /** `ttl`: ms left. `since`: ms since 1970 by the backend's clock. */
  holders: { fence: number; ttl: number; since: number; meta: Record<string, string> }[];
  /** The first hundred of the queue, in its order. */
  waiting: { mode: LockMode; since: number; meta: Record<string, string> }[];
  /** Where the key rests after a hold with `atLeast`: when it is free, in ms since 1970 by the backend's clock. */
  restsUntil?: number;
}

/** How far a list is. `seen`: how many keys of the backend it has looked at, locks or not; `total`: of about how many. */
export interface ListProgress {
  seen: number;
  /** Absent where the backend does not tell. */
  total?: number;
}

/**
 * What a backend must do. `latchkey/testing` exports the conformance suite that says when it does.
 * Every method rejects with `LockBackendError` when the backend fails, and only then.
 */
export interface LockDriver {
  /**
   * Waits in the queue by the backend's own best means. `null`: the wait passed while somebody else held the key.
   * Rejects with the signal's reason when it aborts, and then holds nothing.
   */
  acquire(request: AcquireRequest): Promise<Grant | null>;
  /** SETS the time left to `ttl` ms. `null`: the hold is lost. */
  extend(grant: Grant, ttl: number): Promise<Grant | null>;
  /**
   * Renews the hold in a worker thread until it is released, also while the event loop is blocked. `extend` works
   * beside it. Undefined: the driver cannot, and the caller renews. Never throws.
   */
  renewInThread?(grant: Grant, terms: ThreadTerms): ThreadRenewal | undefined;
  /** Starts that thread. Resolves when it renews, or is known not to; undefined where there is nothing to wait for. */
  startThread?(): Promise<void> | undefined;
  /** Extends many at once; the answers are in the order of the extensions. An `Error` is that of one hold only. */
  extendMany?(extensions: readonly Extension[]): Promise<(Grant | null | Error)[]>;
  /**
   * Frees the hold and wakes who is next, whose fence is larger than `grant.fence`: of a key that was held together with
   * others, that is the largest of theirs. With `keepFor`, the key rests: it stays taken for so many ms, as if held.
   * `false`: it was no longer ours.
   */
  release(grant: Grant, keepFor?: number): Promise<boolean>;
  /** `null`: nobody holds or awaits it, and it does not rest. */
  inspect(key: string): Promise<LockInfo | null>;
  /**
   * The locks that are held or awaited, or rest, whose full names start with `prefix`. Tells how far it is where it goes
   * through more than those.
   */
  list?(prefix: string, onProgress?: (progress: ListProgress) => void): AsyncIterable<LockInfo>;
  /**
   * Takes away the hold of `key` that has this very fence, after `grace` ms in which its holder may release it. `false`:
   * there is no such hold.
   */
  revoke?(key: string, fence: number, grace?: number): Promise<boolean>;
  /** Rejects when the backend cannot serve. */
  ping(): Promise<void>;
  /** Frees what the driver opened. Idempotent. */
  close(): Promise<void>;
}

/** What came of a renewal. `failed`: the backend did not answer, or answered by a fault; it is tried again. */
export type RenewalOutcome = 'renewed' | 'failed' | 'lost' | 'revoked';

/** How a thread renews a hold. */
export interface ThreadTerms {
  /** What a renewal sets, in ms. */
  readonly ttl: number;
  /** `performance.now()` ms at which the hold is lost in any case; not renewed beyond. */
  readonly until: number;
  /** The hold is lost when the event loop is blocked for so many ms. */
  readonly maxBlock: number;
  /** Called once the hold is found lost, by the thread or by the main thread after a block. */
  readonly onLost: () => void;
  /** Called with what came of each renewal, some time after it. */
  readonly onRenewal?: ((outcome: RenewalOutcome) => void) | undefined;
}

/** A hold that a thread renews. Its answers are right at this moment, also while the event loop is blocked. */
export interface ThreadRenewal {
  /** `performance.now()` ms until which the hold is surely ours; -Infinity from its loss or its release on. */
  readonly validUntil: number;
  /** Why it was lost. */
  readonly loss: LossReason | undefined;
  /** Whether the thread is there; else the caller renews, by `extend`. */
  readonly running: boolean;
  /** Sets what a renewal sets, in ms. */
  setTtl(ttl: number): void;
}

export interface Extension {
  readonly grant: Grant;
  readonly ttl: number;
}

/** Makes a driver; called once, when its first locker is used or its app starts. */
export type DriverFactory = () => LockDriver | Promise<LockDriver>;
