import type { Clock, Timer } from '../../core/clock.js';
import type { ClaimId } from '../../engine/store.js';
import { nameOf, tokenOf } from './codec.js';
import type { Answer, Statement } from './link.js';

const EVERY_MS = 100;
const AT_ONCE = 1_000;

/** Asks for grants again and again, where messages do not reach this process. */
export class Poller {
  readonly #clock: Clock;
  readonly #statement: Statement;
  readonly #ask: (statement: Statement, values: readonly unknown[]) => Promise<Answer>;
  readonly #granted: (id: ClaimId, fence: number) => void;
  /** By token and key: the places of this process. */
  readonly #places = new Map<string, ClaimId>();
  #timer: Timer | undefined;

  constructor(
    clock: Clock,
    statement: Statement,
    ask: (statement: Statement, values: readonly unknown[]) => Promise<Answer>,
    granted: (id: ClaimId, fence: number) => void,
  ) {
    this.#clock = clock;
    this.#statement = statement;
    this.#ask = ask;
    this.#granted = granted;
  }

  add({ key, token }: ClaimId): void {
    this.#places.set(`${token} ${key}`, { key, token });
    this.#timer ??= this.#clock.after(EVERY_MS, () => void this.#poll());
  }

  drop({ key, token }: ClaimId): void {
    this.#places.delete(`${token} ${key}`);
  }

  /** Forgets all places: those whose claims still wait are added anew. */
  clear(): void {
    this.#places.clear();
  }

  stop(): void {
    this.#timer?.cancel();
    this.clear();
  }

  async #poll(): Promise<void> {
    const places = [...this.#places.values()];
    for (let from = 0; from < places.length; from += AT_ONCE) {
      const some = places.slice(from, from + AT_ONCE);
      const args = [some.map(({ key }) => nameOf(key)), some.map(({ token }) => tokenOf(token))];
      // One that fails is asked again: the engine is told of lost connections.
      const answer = await this.#ask(this.#statement, args).catch(() => undefined);
      for (const [k, fence] of answer?.rows ?? []) {
        const id = some[Number(k) - 1]!;
        if (this.#places.has(`${id.token} ${id.key}`)) this.#granted(id, Number(fence));
      }
    }
    this.#timer = undefined;
    if (this.#places.size > 0) this.#timer = this.#clock.after(EVERY_MS, () => void this.#poll());
  }
}
