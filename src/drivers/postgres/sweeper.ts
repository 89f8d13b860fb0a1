import { randomBytes } from 'node:crypto';
import type { Clock, Timer } from '../../core/clock.js';
import type { Answer, Statement } from './link.js';

const EVERY_MS = 30_000;
const AT_ONCE = 200;

/** Deletes idle rows, a few at a time, for as long as it runs. */
export class Sweeper {
  readonly #clock: Clock;
  readonly #statement: Statement;
  readonly #ask: (statement: Statement, values: readonly unknown[]) => Promise<Answer>;
  #timer: Timer | undefined;
  // Not from the start: several processes do this.
  #since = randomBytes(32).toString('hex');

  constructor(
    clock: Clock,
    statement: Statement,
    ask: (statement: Statement, values: readonly unknown[]) => Promise<Answer>,
  ) {
    this.#clock = clock;
    this.#statement = statement;
    this.#ask = ask;
  }

  start(): void {
    this.stop();
    this.#timer = this.#clock.after(EVERY_MS, () => void this.#sweep());
    this.#timer.keepAlive(false);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  async #sweep(): Promise<void> {
    const timer = this.#timer;
    const answer = await this.#ask(this.#statement, [this.#since, AT_ONCE]).catch(() => undefined);
    if (answer) this.#since = answer.rows[0]![0] ?? '';
    if (this.#timer === timer) this.start();
  }
}
