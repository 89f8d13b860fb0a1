const TICK_MS = 10;

/** How late this process's timers are: its event loop blocked, itself stopped, or the machine busy. */
export class LagMeter {
  #sum = 0;
  #expected = performance.now() + TICK_MS;
  readonly #timer = setInterval(() => this.#tick(), TICK_MS);

  /** ms of delay so far; the difference of two is what there was in between. */
  get total(): number {
    return this.#sum + Math.max(0, performance.now() - this.#expected);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const now = performance.now();
    this.#sum += Math.max(0, now - this.#expected);
    this.#expected = now + TICK_MS;
  }
}
