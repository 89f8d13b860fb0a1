import type { Clock } from '../core/clock.js';

/** One direction of a connection: what is sent arrives in order, each after a time of its own, unless it is cut. */
export class ModelLane {
  readonly #clock: Clock;
  readonly #latency: () => number;
  readonly #receiverBlockedUntil: () => number;
  readonly #onItsWay: { readonly at: number; readonly arrive: () => void }[] = [];
  #last = -Infinity;
  #silentUntil = -Infinity;
  #cut = false;

  /** `latency`: ms that the next one takes. `receiverBlockedUntil`: `clock.now()` before which nothing arrives. */
  constructor(clock: Clock, latency: () => number, receiverBlockedUntil = () => -Infinity) {
    this.#clock = clock;
    this.#latency = latency;
    this.#receiverBlockedUntil = receiverBlockedUntil;
  }

  send(arrive: () => void): void {
    if (this.#cut) return;
    const at = Math.max(this.#last, this.#clock.now() + this.#latency());
    this.#last = at;
    this.#onItsWay.push({ at, arrive });
    if (this.#onItsWay.length === 1) this.#wait();
  }

  /** Nothing arrives for `ms`; it all does afterwards. */
  silence(ms: number): void {
    this.#silentUntil = Math.max(this.#silentUntil, this.#clock.now() + ms);
  }

  /** Nothing arrives any more; what is on its way is returned, in order. */
  cut(): (() => void)[] {
    this.#cut = true;
    return this.#onItsWay.splice(0).map(({ arrive }) => arrive);
  }

  get #blockedUntil(): number {
    return Math.max(this.#silentUntil, this.#receiverBlockedUntil());
  }

  #wait(): void {
    const [first] = this.#onItsWay;
    if (!first) return;
    const at = Math.max(first.at, this.#blockedUntil);
    this.#clock.after(Math.max(0, at - this.#clock.now()), () => {
      if (this.#cut) return;
      if (this.#clock.now() < this.#blockedUntil) return this.#wait();
      const due = this.#onItsWay.shift()!;
      due.arrive();
      this.#wait();
    });
  }
}
