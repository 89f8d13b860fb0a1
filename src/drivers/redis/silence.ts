import { type Clock, LOOK_MS, LOOKS, type Timer } from '../../core/clock.js';

// How long a server may be silent while answers are due.
const SILENCE_MS = 1_000;

/**
 * Tells when a server that should answer gives no answer at all for a second. It does not go by time alone: after this
 * process stood still, its timers fire before it has read what the server sent.
 */
export class Silence {
  readonly #clock: Clock;
  readonly #onSilence: (ms: number) => void;
  #due = 0;
  #answers = 0;
  #timer: Timer | undefined;

  constructor(clock: Clock, onSilence: (ms: number) => void) {
    this.#clock = clock;
    this.#onSilence = onSilence;
  }

  /** An answer is due from now on. */
  asked(): void {
    this.#due++;
    if (!this.#timer) this.#watch(SILENCE_MS, 0);
  }

  /** It came, or cannot come any more. */
  answered(): void {
    this.#due--;
    this.#answers++;
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #watch(ms: number, looks: number, answers = this.#answers): void {
    this.#timer = this.#clock.after(ms, () => {
      this.#timer = undefined;
      if (this.#due <= 0) return;
      if (this.#answers > answers) this.#watch(SILENCE_MS, 0);
      else if (looks < LOOKS) this.#watch(LOOK_MS, looks + 1, answers);
      else this.#onSilence(SILENCE_MS);
    });
    this.#timer.keepAlive(false);
  }
}
