import type { Clock } from '../core/clock.js';

export interface ModelLaneOptions {
  /** `clock.now()` before which nothing arrives. */
  readonly receiverBlockedUntil?: () => number;
  /** How many of those that have arrived are read at once, at most. Default 1. */
  readonly reads?: () => number;
}

/** One direction of a connection: what is sent arrives in order, each after a time of its own, unless it is cut. */
export class ModelLane {
  readonly #clock: Clock;
  readonly #receiverBlockedUntil: () => number;
  readonly #reads: () => number;
  readonly #onItsWay: { readonly at: number; readonly arrive: () => void }[] = [];
  #last = -Infinity;
  #silentUntil = -Infinity;
  #cut = false;

  constructor(
    clock: Clock,
    { receiverBlockedUntil = () => -Infinity, reads = () => 1 }: ModelLaneOptions = {},
  ) {
    this.#clock = clock;
    this.#receiverBlockedUntil = receiverBlockedUntil;
    this.#reads = reads;
  }

  /** Arrives in `ms`, or when what was sent before it has arrived. */
  send(ms: number, arrive: () => void): void {
    if (this.#cut) return;
    const at = Math.max(this.#last, this.#clock.now() + ms);
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
      this.#read();
    });
  }

  #read(): void {
    const now = this.#clock.now();
    let left = this.#reads();
    // The first one has arrived, though a clock with fractions may be short of it.
    do this.#onItsWay.shift()!.arrive();
    while (--left > 0 && this.#onItsWay.length > 0 && this.#onItsWay[0]!.at <= now);
    this.#wait();
  }
}
