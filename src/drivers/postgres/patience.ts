// How long a claim waits in the database for those that came first, and for somebody who has the row locked.
const FIRST_MS = 50;
// As little as can be set: another claim on the same connection waits for all of it.
const BEHIND_MS = 1;

/** How long claims wait in the database: of several about one key, which take the same connection, only the first is patient. */
export class Patience {
  /** By key: how many claims are on their way. */
  readonly #claims = new Map<string, number>();

  /** A claim is about to be sent: how many ms it may wait. */
  begin(key: string): number {
    const before = this.#claims.get(key) ?? 0;
    this.#claims.set(key, before + 1);
    return before === 0 ? FIRST_MS : BEHIND_MS;
  }

  /** A claim has its answer, or will have none. */
  end(key: string): void {
    const left = this.#claims.get(key)! - 1;
    if (left === 0) this.#claims.delete(key);
    else this.#claims.set(key, left);
  }
}
