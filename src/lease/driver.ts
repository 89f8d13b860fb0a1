import type { LossReason } from '../core/errors.js';

/** `'write'` excludes everyone; `'read'` excludes writers, and beyond a `limit` other readers too. */
export type LockMode = 'write' | 'read';

export interface AcquireRequest {
  /** The full name, `<prefix>{<key>}`: see {@link lockName}. A driver uses it as it is. */
  readonly key: string;
  /** The owner's secret. Two requests with one token are one request. */
  readonly token: string;
  readonly mode: LockMode;
  /** With mode `'read'`: it enters while fewer than this many hold the key. Default: no limit. */
  readonly limit?: number | undefined;
  /** The lease's time in ms, whole and at least 1. */
  readonly ttl: number;
  /** How long to wait in the queue, in ms; 0 tries once, `Infinity` waits for ever. A hard limit, whatever the backend does. */
  readonly wait: number;
  /** How long the answer to a single try may take, in ms, before it counts as an outage. Default 1,000. */
  readonly patience?: number | undefined;
  /**
   * A try that is refused is made again later, under the same token: see `retry`. After the last one, `endTries` is called.
   * Default false.
   */
  readonly isRepeated?: boolean | undefined;
  /** ms between tries, for a backend that cannot notify. */
  readonly retryInterval: number;
  readonly meta: Readonly<Record<string, string>>;
  /** Leaves the queue and rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Called when the hold of this request is revoked. The hold ends `grace` ms from now, unless it is released before. */
  readonly onRevoked?: ((grace: number) => void) | undefined;
}

/** One hold of one key. */
export interface Grant {
  readonly key: string;
  readonly token: string;
  readonly mode: LockMode;
  /** Grows with every new ownership of the key. */
  readonly fence: number;
  /** The hold is surely ours until this time, in ms of `performance.now()`. It is counted from before the grant. */
  readonly validUntil: number;
}

/** Who holds a key, and who waits for it. */
export interface LockInfo {
  key: string;
  /** The mode of the holders, or that of the first waiter when nobody holds the key. */
  mode: LockMode;
  /** The smallest limit of the holders, if one has a limit. */
  limit?: number;
  /** The number of callers that wait, in all processes. */
  waiters: number;
  /** `ttl`: ms left. `since`: ms since 1970 by the backend's clock. */
  holders: { fence: number; ttl: number; since: number; meta: Record<string, string> }[];
  /** The first hundred waiters of the queue, in order. */
  waiting: { mode: LockMode; since: number; meta: Record<string, string> }[];
  /** While the key rests after a hold with `atLeast`: when it will be free, in ms since 1970 by the backend's clock. */
  restsUntil?: number;
}

/** The progress of a list. `seen`: keys of the backend that were read, locks or not. `total`: about how many there are. */
export interface ListProgress {
  seen: number;
  /** Absent if the backend does not tell. */
  total?: number;
}

/**
 * The contract of a backend. `latchkey/testing` exports the conformance suite, which tests whether a driver keeps it.
 * Every method rejects with `LockBackendError` when the backend fails, and only then.
 */
export interface LockDriver {
  /**
   * Waits in the backend's queue for a hold. Resolves to `null` when the wait is over and another caller holds the key.
   * Rejects with the signal's reason when it aborts, and then holds nothing.
   */
  acquire(request: AcquireRequest): Promise<Grant | null>;
  /** No more tries of a request with `isRepeated` are made, and none got the key. Never throws. */
  endTries?(request: AcquireRequest): void;
  /** Sets the time left to `ttl` ms; it does not add. Resolves to `null` when the hold is lost. */
  extend(grant: Grant, ttl: number): Promise<Grant | null>;
  /**
   * Renews the hold in a worker thread until it is released, also while the event loop is blocked. `extend` works
   * meanwhile. Returns undefined when the driver cannot renew in a thread, and the caller renews. Never throws.
   */
  renewInThread?(grant: Grant, terms: ThreadTerms): ThreadRenewal | undefined;
  /** Starts that thread. Resolves when the thread renews or has failed. Returns undefined if no wait is necessary. */
  startThread?(): Promise<void> | undefined;
  /**
   * Extends many holds at once. The answers are in the order of the extensions. An `Error` is that of one hold only. All
   * wait for the slowest answer, so a driver whose keys are on several servers does not have it.
   */
  extendMany?(extensions: readonly Extension[]): Promise<(Grant | null | Error)[]>;
  /**
   * Frees the hold and grants the key to the next waiter, whose fence is larger than `grant.fence`. If the key was held
   * together with others, `grant.fence` is the largest of their fences. With `keepFor`, the key rests: it stays taken for
   * that many ms. Resolves to `false` when the hold was no longer ours.
   */
  release(grant: Grant, keepFor?: number): Promise<boolean>;
  /** Resolves to `null` when the key has no holder and no waiter, and does not rest. */
  inspect(key: string): Promise<LockInfo | null>;
  /**
   * Lists the locks that are held, awaited or at rest, and whose full names start with `prefix`. Calls `onProgress` if it
   * must also read other keys.
   */
  list?(prefix: string, onProgress?: (progress: ListProgress) => void): AsyncIterable<LockInfo>;
  /**
   * Ends the hold of `key` that has exactly this fence, after `grace` ms in which its holder can release it. Resolves to
   * `false` when there is no such hold.
   */
  revoke?(key: string, fence: number, grace?: number): Promise<boolean>;
  /** Rejects when the backend cannot serve. */
  ping(): Promise<void>;
  /** Frees what the driver opened. Idempotent. */
  close(): Promise<void>;
}

/** The outcome of a renewal. `failed`: the backend did not answer or had a fault, and the renewal is tried again. */
export type RenewalOutcome = 'renewed' | 'failed' | 'lost' | 'revoked';

/** How a thread renews a hold. */
export interface ThreadTerms {
  /** The time that each renewal sets, in ms. */
  readonly ttl: number;
  /** The hold is lost at this time, in ms of `performance.now()`; it is not renewed beyond it. */
  readonly until: number;
  /** The hold is lost when the event loop is blocked for this many ms. */
  readonly maxBlock: number;
  /** Called when the thread, or the main thread after a block, finds that the hold is lost. */
  readonly onLost: () => void;
  /** Called with the outcome of each renewal, some time after it. */
  readonly onRenewal?: ((outcome: RenewalOutcome) => void) | undefined;
}

/** A hold that a thread renews. Its properties are right at the moment of reading, also after a block of the event loop. */
export interface ThreadRenewal {
  /** The hold is surely ours until this time, in ms of `performance.now()`; -Infinity after its loss or release. */
  readonly validUntil: number;
  /** Why the hold was lost. */
  readonly loss: LossReason | undefined;
  /** Whether the thread runs. If not, the caller renews by `extend`. */
  readonly running: boolean;
  /** Changes the time that each renewal sets, in ms. */
  setTtl(ttl: number): void;
}

export interface Extension {
  readonly grant: Grant;
  readonly ttl: number;
}

/** Makes a driver; called once, when its first locker is used or its app starts. */
export type DriverFactory = () => LockDriver | Promise<LockDriver>;
