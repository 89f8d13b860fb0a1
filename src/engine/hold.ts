import { Deadline } from '../core/deadlines.js';
import type { AcquireRequest, Grant } from '../lease/driver.js';

// A hold is handed on inside the process for so long, then the store's queue goes on.
const TURN_MS = 20;

/** What is known of a hold when it begins. */
export interface HoldStart {
  readonly request: AcquireRequest;
  readonly fence: number;
  readonly lastFence: number;
  readonly validUntil: number;
  readonly run: readonly string[];
  readonly since: number;
  readonly late: boolean;
}

/** A hold in the store. Inside this process it may serve several requests, one after the other. */
export class Hold {
  readonly key: string;
  /** The token of the first request: the store knows the hold by it. */
  readonly token: string;
  /** The fence of the first request. */
  readonly firstFence: number;
  /** Whom it serves now. */
  request: AcquireRequest;
  /** Of whom it serves now. */
  fence: number;
  validUntil: number;
  /** Of the latest renewal sent. */
  sequence = 0;
  /** Renewals without an answer. */
  renewing = 0;
  /** The tokens that it was handed on to. */
  readonly served: string[] = [];
  readonly expiry: Deadline;
  /** A claim of it may still reach the store, out of order. */
  readonly late: boolean;
  readonly #lastFence: number;
  readonly #since: number;
  readonly #run: readonly string[];
  #nextInRun = 0;

  constructor(start: HoldStart, onExpiry: (hold: Hold) => void) {
    const { request, fence, lastFence, validUntil, run, since, late } = start;
    this.key = request.key;
    this.token = request.token;
    this.firstFence = fence;
    this.request = request;
    this.fence = fence;
    this.validUntil = validUntil;
    this.late = late;
    this.expiry = new Deadline(() => onExpiry(this));
    this.#lastFence = lastFence;
    this.#since = since;
    this.#run = run;
  }

  get grant(): Grant {
    const { key, token, mode } = this.request;
    return { key, token, mode, fence: this.fence, validUntil: this.validUntil };
  }

  /** Whether it may be handed on now; `usedFence` is the largest it was used under, perhaps of another key's hold. */
  mayBeHandedOn(usedFence: number, now: number): boolean {
    const inTime = now - this.#since < TURN_MS && now < this.validUntil;
    return inTime && this.renewing === 0 && Math.max(this.fence, usedFence) < this.#lastFence;
  }

  /** The token of who is next in the run, until `skip` or `handOn`. */
  get next(): string | undefined {
    return this.#run[this.#nextInRun];
  }

  /** The next in the run does not wait any more. */
  skip(): void {
    this.#nextInRun++;
  }

  /** How much of a lease of `ttl` ms it could give now suits: nearly all of it, and no more. */
  suits(ttl: number, now: number): boolean {
    const left = this.validUntil - now;
    return left >= ttl * 0.9 && left <= ttl;
  }

  /** The next in the run is served from now on. */
  handOn(request: AcquireRequest, usedFence: number): void {
    this.#nextInRun++;
    this.served.push(request.token);
    this.fence = Math.max(this.fence, usedFence) + 1;
    this.request = request;
  }
}

/**
 * Until when a time of `ttl` ms that the server began to count after `asOf` has surely not ended there: 1 ms less
 * because it counts in whole ones, and a thousandth less because clocks do not tick alike.
 */
export function surelyUntil(asOf: number, ttl: number): number {
  return asOf + ttl - 1 - ttl / 1_000;
}
