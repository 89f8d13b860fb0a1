import type { Deadline } from '../core/deadlines.js';
import type { LossReason } from '../core/errors.js';
import type { AcquireRequest, Grant } from '../lease/driver.js';
import type { Served } from './store.js';
import type { SharedHold } from './thread/shared-hold.js';

// A hold is handed on inside the process for so long, then the store's queue goes on.
const TURN_MS = 20;

/** A claim that the store has granted. */
export interface GrantedClaim {
  readonly id: string;
  readonly request: AcquireRequest;
  /** It may reach the store again later, out of order. */
  readonly mayComeLate: boolean;
}

/** What the store has granted. */
export interface GrantedHold {
  readonly fence: number;
  readonly validUntil: number;
  readonly run: readonly string[];
}

/** The thread that renews a hold too. */
export interface Sharer {
  /** Its time has become shorter. */
  shortened(): void;
  /** It is not shared any more. */
  ended(): void;
}

/** A hold in the store. Inside this process it may serve several requests, one after the other. */
export class Hold implements Deadline {
  at = Infinity;
  index = -1;
  /** Of the claim that the store knows it by. */
  readonly id: string;
  readonly key: string;
  /** The token of the first request: the store knows the hold by it. */
  readonly token: string;
  /** The fence of the first request. */
  readonly firstFence: number;
  /** Whom it serves now. */
  request: AcquireRequest;
  /** Of whom it serves now. */
  fence: number;
  /** Of whom it serves, by what the store has been told. */
  knownFence: number;
  /** The longest time that the store was asked for: after a fault it may be in force. */
  longestTtl: number;
  /** The tokens that it was handed on to. */
  readonly served: string[] = [];
  /** A claim of those whom it has served may still reach the store, out of order. */
  late: boolean;
  readonly #lastFence: number;
  readonly #since: number;
  readonly #run: readonly string[];
  #nextInRun = 0;
  #validUntil: number;
  /** Of the latest renewal sent. */
  #sequence = 0;
  /** What that one asked for, in ms. */
  #asked = Infinity;
  /** Of the first renewal whose answer counts though another one was sent after it: none of those asked for less. */
  #counts = Infinity;
  /** It is being taken away. */
  #ends = false;
  /** Renewals without an answer. */
  #renewing = 0;
  /** Its time, while another thread renews it too. */
  #shared: SharedHold | undefined;
  #sharer: Sharer | undefined;
  readonly #onDeadline: (hold: Hold) => void;

  /** `fences`: how many come after its own, for handing it on. */
  constructor(
    { id, request, mayComeLate }: GrantedClaim,
    { fence, validUntil, run }: GrantedHold,
    fences: number,
    now: number,
    onDeadline: (hold: Hold) => void,
  ) {
    this.id = id;
    this.key = request.key;
    this.token = request.token;
    this.firstFence = fence;
    this.request = request;
    this.fence = fence;
    this.knownFence = fence;
    this.#validUntil = validUntil;
    this.longestTtl = request.ttl;
    this.late = mayComeLate;
    this.#lastFence = fence + fences;
    this.#since = now;
    this.#run = run;
    this.#onDeadline = onDeadline;
  }

  fire(): void {
    this.#onDeadline(this);
  }

  get validUntil(): number {
    return this.#shared ? this.#shared.validUntil : this.#validUntil;
  }

  get sequence(): number {
    return this.#sequence;
  }

  /** Whether no renewal was sent after the one with this number, by whichever thread. */
  isLatest(sequence: number): boolean {
    return sequence === (this.#shared ? this.#shared.sequence : this.#sequence);
  }

  /** Whom it serves, where it was handed on. */
  get serves(): Served | undefined {
    return this.served.length > 0 ? { fence: this.fence, meta: this.request.meta } : undefined;
  }

  get grant(): Grant {
    const { key, token, mode } = this.request;
    return { key, token, mode, fence: this.fence, validUntil: this.validUntil };
  }

  /** Whether a renewal has no answer yet. */
  get isRenewing(): boolean {
    return this.#renewing > 0;
  }

  /** Whether it may be handed on now; `usedFence` is the largest it was used under, perhaps of another key's hold. */
  mayBeHandedOn(usedFence: number, now: number): boolean {
    const inTime = now - this.#since < TURN_MS && now < this.validUntil;
    return inTime && !this.#ends && !this.isRenewing && Math.max(this.fence, usedFence) < this.#lastFence;
  }

  /** ms from now until it is not handed on any more. */
  turnLeft(now: number): number {
    return Math.max(0, this.#since + TURN_MS - now);
  }

  /** A renewal is about to be sent: its number. Until it is answered, a shorter time counts. Undefined: it is over. */
  startRenewal(ttl: number, now: number): number | undefined {
    this.#renewing++;
    this.longestTtl = Math.max(this.longestTtl, ttl);
    if (this.#shared) return this.#startShared(this.#shared, ttl, now);
    this.#validUntil = Math.min(this.#validUntil, surelyUntil(now, ttl));
    this.#sequence++;
    if (ttl < this.#asked) this.#counts = this.#sequence;
    this.#asked = ttl;
    return this.#sequence;
  }

  /** A renewal has its answer, or will have none. */
  endRenewal(): void {
    this.#renewing--;
  }

  /** The store renewed it. Does not make the time longer where a renewal sent later asked for less. */
  renewed(sequence: number, until: number): void {
    if (this.#shared) this.#shared.renewed(sequence, until);
    else if (sequence === this.#sequence || (sequence >= this.#counts && until > this.#validUntil))
      this.#validUntil = until;
  }

  /** It is being taken away, and ends at that time at the latest. */
  endBy(at: number): void {
    this.#ends = true;
    this.#countOnlyLatest();
    if (this.#shared) this.#shared.endBy(at);
    else this.#validUntil = Math.min(this.#validUntil, at);
  }

  /** Another thread renews it too, by `shared`. */
  share(shared: SharedHold, sharer: Sharer): void {
    this.#shared = shared;
    this.#sharer = sharer;
  }

  /** No other thread starts a renewal any more. `loss`: why the hold is over, if it is. */
  unshare(loss?: LossReason): void {
    if (!this.#shared) return;
    const ended = this.#shared.end(loss ?? 'released');
    this.#validUntil = ended?.validUntil ?? -Infinity;
    if (ended) this.#sequence = ended.sequence;
    this.#countOnlyLatest();
    // Its renewal may come late, and no answer will tell: such a hold is not handed on.
    if (ended?.pending) this.#renewing++;
    this.#shared = undefined;
    this.#sharer?.ended();
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
  handOn(request: AcquireRequest, usedFence: number, late: boolean): void {
    this.#nextInRun++;
    this.served.push(request.token);
    this.fence = Math.max(this.fence, usedFence) + 1;
    this.request = request;
    this.late ||= late;
  }

  #countOnlyLatest(): void {
    this.#asked = Infinity;
    this.#counts = Infinity;
  }

  #startShared(shared: SharedHold, ttl: number, now: number): number | undefined {
    const { validUntil } = shared;
    const sequence = shared.startRenewal(ttl, now);
    if (shared.validUntil < validUntil) this.#sharer?.shortened();
    return sequence;
  }
}

/**
 * Until when a time of `ttl` ms that the server began to count after `asOf` has surely not ended there: 1 ms less
 * because it counts in whole ones, and a thousandth less because clocks do not tick alike.
 */
export function surelyUntil(asOf: number, ttl: number): number {
  return asOf + ttl - 1 - ttl / 1_000;
}

/** The ttl, in whole ms, with which {@link surelyUntil} gives what is left, or hardly more. */
export function ttlFor(left: number): number {
  return Math.ceil((left + 1) / 0.999);
}
