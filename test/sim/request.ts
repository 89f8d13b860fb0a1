import { lockName } from '../../src/core/key.js';
import type { Use } from './plan.js';
import type { SimProcess } from './process.js';

// How long the answer to a single try may take.
const TRY_MS = 1_000;

// What numbers with fractions are off by.
const ROUNDING_MS = 0.001;

/** Why a caller gives up. */
export const GIVEN_UP = new Error('the caller gave up');

/** What a caller has of its lock. */
export interface Grip {
  readonly fence: number;
  readonly held: boolean;
  readonly signal: AbortSignal;
  readonly token?: string;
  ttl(): number;
}

/**
 * How a request ended that was not granted. `contention`: the caller was told that somebody else has the lock.
 * `outage`: that the backend failed.
 */
export type Refusal = 'contention' | 'outage' | 'aborted' | 'closed' | 'other';

/** That the server takes a hold away. Times are the world's. */
export interface Revocation {
  readonly at: number;
  /** When the hold is over in the server. */
  readonly endsAt: number;
}

/** One call for a lock, from the asking to the end of the hold. Times are the world's. */
export class Request {
  /** Full names. */
  readonly keys: readonly string[];
  settledAt: number | undefined;
  refusal: Refusal | undefined;
  grip: Grip | undefined;
  fence = 0;
  /** Of a lease. */
  token: string | undefined;
  /** By key: the fence that it was granted under. */
  readonly fences = new Map<string, number>();
  /** Makes the caller give up. */
  readonly stop = new AbortController();
  abortedAt: number | undefined;
  releasingAt: number | undefined;
  /** The release has been answered. */
  releasedAt: number | undefined;
  /** The server takes a hold of it away: the first time that it did so. */
  revocation: Revocation | undefined;
  /** Its signal has told so. */
  toldAt: number | undefined;
  /** Where its process was killed: until when it would have held. */
  #diesHolding = 0;
  /** Somebody else had the key, or stood before it. */
  contended = false;

  constructor(
    readonly id: string,
    readonly process: SimProcess,
    readonly use: Use,
    readonly calledAt: number,
  ) {
    this.keys = use.keys.map((key) => lockName('', key));
  }

  settle(grip: Grip): void {
    this.settledAt = this.process.present;
    this.grip = grip;
    this.fence = grip.fence;
    this.token = grip.token;
  }

  refuse(refusal: Refusal): void {
    this.settledAt = this.process.present;
    this.refusal = refusal;
  }

  get waits(): boolean {
    return this.settledAt === undefined;
  }

  /** When its wait is over; of a try, when it must have been answered. */
  get limit(): number {
    const { wait } = this.use;
    return this.calledAt + (wait === 'forever' ? Infinity : wait || TRY_MS) / this.process.rate;
  }

  /** Whether it is a single try. */
  get once(): boolean {
    return this.use.wait === 0;
  }

  /** Whether it is renewed until it is released. */
  get renews(): boolean {
    const { autoRenew, manner } = this.use;
    return autoRenew ?? (manner === 'with' || manner === 'tryWith');
  }

  /** Whether its wait is over, or it was told to end. */
  givenUp(now: number): boolean {
    return this.abortedAt !== undefined || now >= this.limit - 1;
  }

  get revoked(): boolean {
    return this.revocation !== undefined;
  }

  /** Whether the server has taken it away, and no grace is left. */
  takenAway(now: number): boolean {
    return this.revocation !== undefined && now >= this.revocation.endsAt - ROUNDING_MS;
  }

  /** Whether it is surely held, by its process's clock at this moment. One whose process was killed is, until its time is up. */
  heldNow(): boolean {
    const { grip, process } = this;
    if (process.dead) return this.leftNow() > 0;
    return grip !== undefined && process.observe(() => grip.held);
  }

  /** How long it is surely held from now on, in ms of the world. */
  leftNow(): number {
    const { grip, process } = this;
    if (process.dead) return Math.max(0, this.#diesHolding - process.observe(() => process.present));
    return grip && this.heldNow() ? process.observe(() => grip.ttl()) / process.rate : 0;
  }

  /** Its process is about to be killed. */
  dies(): void {
    this.#diesHolding = this.process.observe(() => this.process.present) + this.leftNow();
  }
}
