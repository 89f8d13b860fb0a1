import type { Clock } from '../core/clock.js';
import { Deadlines } from '../core/deadlines.js';
import { claimKey } from './claim-key.js';
import { Hold, type HoldStart } from './hold.js';
import type { ClaimId } from './store.js';

/** The holds of this process: by the request that the store knows them by, and by the one that they serve. */
export class Holds {
  readonly #byClaim = new Map<string, Hold>();
  /** By key: those that have been handed on. */
  readonly #handedOn = new Map<string, Hold>();
  readonly #expiries: Deadlines;

  constructor(clock: Clock) {
    this.#expiries = new Deadlines(clock);
  }

  begin(claim: string, start: HoldStart): Hold {
    const hold = new Hold(start, (expired) => this.end(expired));
    this.#byClaim.set(claim, hold);
    this.#expiries.set(hold.expiry, hold.validUntil);
    return hold;
  }

  /** The hold that the store gave to this claim, or that serves it. */
  find(claim: string): Hold | undefined {
    return this.#byClaim.get(claim);
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
    this.#byClaim.set(claimKey(hold.key, hold.request.token), hold);
    this.#handedOn.set(hold.key, hold);
  }

  setValidUntil(hold: Hold, at: number): void {
    hold.validUntil = at;
    if (this.#byClaim.get(claimKey(hold.key, hold.token)) === hold) this.#expiries.set(hold.expiry, at);
  }

  /** The hold is over, for this process. */
  end(hold: Hold): void {
    this.#expiries.clear(hold.expiry);
    this.#byClaim.delete(claimKey(hold.key, hold.token));
    if (hold.served.length === 0) return;
    this.#byClaim.delete(claimKey(hold.key, hold.request.token));
    if (this.#handedOn.get(hold.key) === hold) this.#handedOn.delete(hold.key);
  }

  close(): void {
    this.#byClaim.clear();
    this.#handedOn.clear();
    this.#expiries.stop();
  }
}
