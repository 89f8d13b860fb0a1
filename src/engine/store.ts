import { LockBackendError } from '../core/errors.js';
import type { ListProgress, LockInfo, LockMode } from '../lease/driver.js';

/** A hold, or a place in the queue, is known by its key and its owner's token. */
export interface ClaimId {
  readonly key: string;
  readonly token: string;
}

/** What is asked for. */
export interface Claim extends ClaimId {
  readonly mode: LockMode;
  /**
   * With mode `'read'`: enters while fewer than this many are inside; from 1 to 1e9, or `Infinity` for a plain reader, or a
   * writer.
   */
  readonly limit: number;
  /** ms, whole and at least 1. */
  readonly ttl: number;
  readonly meta: Readonly<Record<string, string>>;
}

/** How a claim waits that is not granted. */
export interface Place {
  /**
   * ms for which the process vouches for all its places in this queue. A store that cannot tell otherwise that a process
   * is gone skips its places after that.
   */
  readonly vouchFor: number;
}

/** The claim has the lock. */
export interface Granted {
  readonly granted: true;
  readonly fence: number;
  /** ms left, counted from `asOf`. */
  readonly ttl: number;
  /** `clock.now()` from before the server granted it. */
  readonly asOf: number;
  /**
   * The tokens of the places right behind, in order, that this process may hand the hold on to: writers of its own. Empty
   * for all but writers. A writer's hold has `1 + fencesPerClaim` fences: `fence` and those after it.
   */
  readonly run: readonly string[];
}

/** Somebody else has the lock, or comes first. With a {@link Place}, the claim has a place in the queue now. */
export interface Refused {
  readonly granted: false;
  /**
   * ms until the time of the last holder is up, or the key has rested; 0 where nobody holds it. For a claim with a limit,
   * until the first of the shared holds may be over. For one without a {@link Place}, it may be more.
   */
  readonly left: number;
  /** How many places stand before it; an estimate. */
  readonly before: number;
  /** Whether the claim had its place already. False for one that had none, and for one that lost it with the server's data. */
  readonly kept: boolean;
}

export interface Renewal extends ClaimId {
  readonly mode: LockMode;
  /** ms from now that the hold is to last, whole. */
  readonly ttl: number;
  /** Grows with each renewal of a hold. One that comes late, with a smaller number, changes nothing. */
  readonly sequence: number;
  /** Whom the hold serves since it was handed on: `read` and `revoke` go by that from now on. */
  readonly serves?: Served | undefined;
}

export interface Served {
  readonly fence: number;
  readonly meta: Readonly<Record<string, string>>;
}

/**
 * What became of one renewal. `revoked`: the hold is taken away, so many ms from now at the latest; a hold that is over was
 * revoked within the last minute.
 */
export type RenewalAnswer = 'renewed' | 'lost' | { readonly revoked: number } | StoreError;

export interface Freeing {
  readonly mode: LockMode;
  /** The tokens of the run whom the hold served: their places go with it. */
  readonly served?: readonly string[];
  /** The largest fence that it was used under; the next one is larger. */
  readonly usedFence?: number;
  /** ms for which nobody gets the key. Default 0. */
  readonly keepFor?: number;
  /** Claims of this token, and of those in `served`, may reach the server later, out of order: they are refused then. */
  readonly late?: boolean;
}

export interface StoreEvents {
  /** Connected, for the first time or again. Messages may have been missed, places and holds lost. */
  ready(): void;
  /**
   * Not connected, and why: what is on its way may or may not have been done. Told again when connecting fails for another
   * reason.
   */
  lost(fault: LockBackendError): void;
  /** The server handed the lock to a claim of this process that had a place. `asOf` is -Infinity where nothing is known. */
  granted(id: ClaimId, grant: Pick<Granted, 'fence' | 'run' | 'asOf'>): void;
  /** A hold of this process is being taken away, `grace` ms from now at the latest. */
  revoked(id: ClaimId, grace: number): void;
  /** The first place of this process in the queue of `key` should claim again in `ms`: the key rests until then. */
  lookIn(key: string, ms: number): void;
}

/**
 * A backend, as one process sees it: it keeps holds and a queue for each key, and answers each call once. It never
 * waits, and decides nothing about time but when a hold ends on the server's clock. The engine does the rest.
 *
 * Promises:
 * - Calls about one key take effect in the order in which they were made, while the connection stands.
 * - A call rejects with a {@link StoreError} only, soon after the connection is lost.
 * - Each call may be made twice. A claim whose token holds the lock is granted again with the same fence; one that has a
 *   place keeps it.
 * - Order is that of the first claims. No claim is granted past a live place before it that does not fit yet: a writer fits
 *   where nobody is inside, a reader where no writer is inside and fewer than its `limit` are.
 * - Whoever frees, leaves or claims hands the lock to the first live places that fit, each under a new fence, and a
 *   message goes to their processes.
 */
export interface LockStore {
  readonly limits: {
    /** How many fences a writer's claim reserves after its own, for handing on; 0 for none. */
    readonly fencesPerClaim: number;
    /** How many renewals `renew` takes; 1 where keys are on several servers, so that none waits for that of another. */
    readonly renewBatch: number;
    /** How many tokens `leave` takes. */
    readonly leaveBatch: number;
  };
  /** Connects, and stays connected until `close`. Called once, before anything else. */
  open(events: StoreEvents): void;
  /** Without a place the claim is granted now or refused. All claims of a token have a place, or none has. */
  claim(claim: Claim, place?: Place): Promise<Granted | Refused>;
  renew(batch: readonly Renewal[]): Promise<readonly RenewalAnswer[]>;
  /** Ends a hold. `not-held`: its time was up, or it was never there. */
  free(id: ClaimId, how: Freeing): Promise<'freed' | 'not-held'>;
  /**
   * Gives up places, and whatever was granted to them meanwhile. `late`: claims of these tokens may reach the server
   * later, out of order, and are refused then, for a minute.
   */
  leave(key: string, tokens: readonly string[], late: boolean): Promise<void>;
  /** As {@link LockDriver.revoke}. */
  revoke(key: string, fence: number, grace: number): Promise<boolean>;
  read(key: string): Promise<LockInfo | null>;
  list(prefix: string, onProgress?: (progress: ListProgress) => void): AsyncIterable<LockInfo>;
  /**
   * Which server keeps the key, where there are several: what one answers tells nothing of another. Without this method
   * there is one.
   */
  serverOf?(key: string): string;
  /** Asks the server whether it serves. */
  ping(): Promise<void>;
  /** Disconnects. What is on its way rejects. */
  close(): Promise<void>;
}

/** What of a store a thread uses that renews holds. Of the events it is told only `ready`. */
export interface RenewingStore extends Pick<LockStore, 'open' | 'renew'> {
  readonly limits: Pick<LockStore['limits'], 'renewBatch'>;
}

/** Whether a call that failed took effect. */
export type Outcome =
  /** Nothing was sent: there is no connection. */
  | 'not-sent'
  /** The server refused it and changed nothing. */
  | 'refused'
  /** The server refused it, and will take it soon: a fail-over, a start. */
  | 'passing'
  /** The hold is ours, and the server keeps it for now: a transaction relies on it. It can be freed afterwards. */
  | 'in-use'
  /** It may have taken effect: the connection was lost before the answer. */
  | 'unknown';

/** A call of a store failed. */
export class StoreError extends LockBackendError {
  constructor(
    what: string,
    readonly outcome: Outcome,
    cause?: unknown,
  ) {
    super(what, { cause });
    this.name = 'LockBackendError';
  }
}
