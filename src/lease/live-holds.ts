import type { Clock } from '../core/clock.js';

/** What can be in {@link LiveHolds}. */
export interface LiveHold {
  /** Its index there; -1 while it is not there. */
  place: number;
  /** Ends it, and gives it back. */
  close(): void;
}

/** The holds that have not been given back. In an array, for a Set takes ten times as long for what stays briefly. */
export class LiveHolds {
  readonly #holds: LiveHold[] = [];
  #onEmpty: (() => void) | undefined;

  get size(): number {
    return this.#holds.length;
  }

  add(hold: LiveHold): void {
    if (hold.place < 0) hold.place = this.#holds.push(hold) - 1;
  }

  delete(hold: LiveHold): void {
    if (hold.place < 0) return;
    const last = this.#holds.pop()!;
    if (last !== hold) {
      last.place = hold.place;
      this.#holds[hold.place] = last;
    }
    hold.place = -1;
    if (this.#holds.length === 0) this.#onEmpty?.();
  }

  closeAll(): void {
    for (const hold of [...this.#holds]) hold.close();
  }

  /** True when none is left; false when `ms` have passed before. */
  empty(ms: number, clock: Clock): Promise<boolean> {
    if (this.size === 0 || ms === 0) return Promise.resolve(this.size === 0);
    return new Promise((resolve) => {
      const end = () => {
        timer.cancel();
        this.#onEmpty = undefined;
        resolve(this.size === 0);
      };
      const timer = clock.after(ms, end);
      this.#onEmpty = end;
    });
  }
}
