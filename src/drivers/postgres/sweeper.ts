import { randomBytes } from 'node:crypto';
import type { Clock, Timer } from '../../core/clock.js';
import type { Answer, Statement } from './link.js';

const EVERY_MS = 30_000;
// Where there was much to delete there is more: keys that are used once, many a second.
const SOON_MS = 1_000;
const MUCH = 20;
const AT_ONCE = 200;
// Where most was deleted, rows may come faster than that deletes them: then it takes this share of a connection's time.
const MOST = AT_ONCE / 2;
const BUSY = 1 / 5;
const LEAST_MS = 20;

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

  start(after = EVERY_MS): void {
    this.stop();
    this.#timer = this.#clock.after(after, () => void this.#sweep());
    this.#timer.keepAlive(false);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  async #sweep(): Promise<void> {
    const timer = this.#timer;
    const began = this.#clock.now();
    const answer = await this.#ask(this.#statement, [this.#since, AT_ONCE]).catch(() => undefined);
    const [final, deleted] = answer?.rows[0] ?? [this.#since];
    this.#since = final ?? '';
    if (this.#timer === timer) this.start(pauseAfter(Number(deleted), this.#clock.now() - began));
  }
}

/** How long to wait after a sweep that took `took` ms. */
function pauseAfter(deleted: number, took: number): number {
  if (deleted >= MOST) return Math.min(SOON_MS, Math.max(LEAST_MS, took * (1 / BUSY - 1)));
  return deleted >= MUCH ? SOON_MS : EVERY_MS;
}
