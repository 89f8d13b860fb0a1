import { BriefMap } from '../core/brief-map.js';
import type { Clock } from '../core/clock.js';
import { Deadlines } from '../core/deadlines.js';
import type { LossReason } from '../core/errors.js';
import { type GrantedClaim, type GrantedHold, Hold } from './hold.js';
import type { ClaimId } from './store.js';

/** A claim id as the key of a map. */
export function claimKey(key: string, token: string): string {
  return `${token} ${key}`;
}

/** The holds of this process: by the request that the store knows them by, and by the one that they serve. */
export class Holds {
  readonly #byClaim = new BriefMap<string, Hold>();
  /** By key: those that have been handed on. */
  readonly #handedOn = new Map<string, Hold>();
  /** By the request that they serve: those whose time is up here, while the store may still have them. */
  readonly #over = new Map<string, Hold>();
  readonly #clock: Clock;
  readonly #expiries: Deadlines;
  /** How many fences a writer's hold has for those that it is handed on to. */
  readonly #fences: number;
  readonly #onDeadline = (hold: Hold) => this.#atDeadline(hold);

  constructor(clock: Clock, fences: number) {
    this.#clock = clock;
    this.#expiries = new Deadlines(clock);
    this.#fences = fences;
  }

  begin(claim: GrantedClaim, granted: GrantedHold): Hold {
    const fences = claim.request.mode === 'write' ? this.#fences : 0;
    const hold = new Hold(claim, granted, fences, this.#clock.now(), this.#onDeadline);
    this.#byClaim.set(claim.id, hold);
    this.#expiries.set(hold, granted.validUntil);
    return hold;
  }

  /** The hold that the store gave to this claim, or that serves it. */
  find(claim: string): Hold | undefined {
    return this.#byClaim.get(claim);
  }

  /** The hold that served this claim when its time was up, as long as the store may still have it. */
  findOver(claim: string): Hold | undefined {
    return this.#over.get(claim);
  }

  /** The hold that serves this claim now. */
  serving({ key, token }: ClaimId): Hold | undefined {
    const hold = this.#byClaim.get(claimKey(key, token));
    return hold?.request.token === token ? hold : undefined;
  }

  /** The hold of the key that has been handed on since the store gave it. */
  handedOn(key: string): Hold | undefined {
    return this.#handedOn.get(key);
  }

  /** `hold` has been handed on from the request with `formerToken`. */
  moved(hold: Hold, formerToken: string): void {
    if (formerToken !== hold.token) this.#byClaim.delete(claimKey(hold.key, formerToken));
    this.#byClaim.set(servedBy(hold), hold);
    this.#handedOn.set(hold.key, hold);
  }

  /** The time of the hold has changed. */
  retimed(hold: Hold): void {
    if (this.#byClaim.get(hold.id) === hold) this.#expiries.set(hold, hold.validUntil);
  }

  /** The hold is over, for this process; `loss`: because it was lost. */
  end(hold: Hold, loss?: LossReason): void {
    hold.unshare(loss);
    this.#expiries.clear(hold);
    this.#byClaim.delete(hold.id);
    this.#byClaim.delete(servedBy(hold));
    if (this.#over.get(servedBy(hold)) === hold) this.#over.delete(servedBy(hold));
    if (this.#handedOn.get(hold.key) === hold) this.#handedOn.delete(hold.key);
  }

  close(): void {
    for (const hold of this.#byClaim.values()) hold.unshare();
    this.#byClaim.clear();
    this.#handedOn.clear();
    this.#over.clear();
    this.#expiries.stop();
  }

  #atDeadline(hold: Hold): void {
    const now = this.#clock.now();
    // Another thread may have renewed it.
    if (now < hold.validUntil) this.#expiries.set(hold, hold.validUntil);
    else if (this.#over.get(servedBy(hold)) === hold) this.#over.delete(servedBy(hold));
    else {
      // An earlier hold of the same claim is forgotten: its deadline would end a later one.
      const former = this.#over.get(servedBy(hold));
      if (former) this.#expiries.clear(former);
      this.end(hold);
      hold.endBy(now);
      // A renewal whose answer was lost may be in force.
      this.#over.set(servedBy(hold), hold);
      this.#expiries.set(hold, now + hold.longestTtl);
    }
  }
}

function servedBy({ key, request }: Hold): string {
  return claimKey(key, request.token);
}
