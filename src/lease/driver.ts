/** `'write'` excludes everyone; `'read'` excludes writers only. */
export type LockMode = 'write' | 'read';

export interface AcquireRequest {
  /** The full name, `<prefix>{<key>}`: see {@link lockName}. A driver uses it as it is. */
  readonly key: string;
  /** Who asks. Asking twice with one token is asking once. */
  readonly token: string;
  readonly mode: LockMode;
  /** The lease's time in ms, whole and at least 1. */
  readonly ttl: number;
  /** How long to wait in ms; 0 tries once, `Infinity` waits for ever. A wall, whatever the backend does. */
  readonly wait: number;
  /** ms between tries, for a backend that cannot notify. */
  readonly retryInterval: number;
  readonly meta: Readonly<Record<string, string>>;
  /** Leaves the queue and rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
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

/** Who holds a key, and how many wait for it. */
export interface LockInfo {
  key: string;
  mode: LockMode;
  waiters: number;
  holders: { fence: number; ttl: number; meta: Record<string, string> }[];
}

/**
 * What a backend must do. `latchkey/testing` exports the conformance suite that says when it does.
 * Every method rejects with `LockBackendError` when the backend fails, and only then.
 */
export interface LockDriver {
  /**
   * Waits in line by the backend's own best means. `null`: the wait passed while somebody else held the key.
   * Rejects with the signal's reason when it aborts, and then holds nothing.
   */
  acquire(request: AcquireRequest): Promise<Grant | null>;
  /** SETS the time left to `ttl` ms. `null`: the hold is lost. */
  extend(grant: Grant, ttl: number): Promise<Grant | null>;
  /** Extends many at once; the answers stand in the order of the asking. An `Error` is that of one hold only. */
  extendMany?(extensions: readonly Extension[]): Promise<(Grant | null | Error)[]>;
  /**
   * Frees the hold and wakes who is next, whose fence is larger than `grant.fence`: of a key that was held together with
   * others, that is the largest of theirs. `false`: it was no longer ours.
   */
  release(grant: Grant): Promise<boolean>;
  /** `null`: nobody holds it. */
  inspect(key: string): Promise<LockInfo | null>;
  /** Rejects when the backend cannot serve. */
  ping(): Promise<void>;
  /** Frees what the driver opened. Idempotent. */
  close(): Promise<void>;
}

export interface Extension {
  readonly grant: Grant;
  readonly ttl: number;
}

/** Makes a driver; called once, when its first locker is used or its app starts. */
export type DriverFactory = () => LockDriver | Promise<LockDriver>;
