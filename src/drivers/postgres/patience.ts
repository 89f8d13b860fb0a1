import type { LockMode } from '../../lease/driver.js';

// How long a claim waits in the database for those that came first, and for somebody who has the row locked.
const FIRST_MS = 50;
// A single try is refused after that, though nobody may hold the key.
const TRY_MS = 200;

/**
 * How long claims wait in the database. Of several about one key, which take the same connection, only the first is patient:
 * together they would hold up the other keys for long.
 */
export class Patience {
  readonly ofTry = TRY_MS;
  /** By key: how many claims with a place are on their way. */
  readonly #claims = new Map<string, number>();

  /** A claim with a place is about to be sent: how many ms it may wait. */
  begin(key: string, mode: LockMode): number {
    const before = this.#claims.get(key) ?? 0;
    this.#claims.set(key, before + 1);
    if (before === 0) return FIRST_MS;
    // A writer waits for the one before it in any case; a reader may enter at once.
    return mode === 'write' ? 0 : Math.max(1, Math.round(FIRST_MS / (before + 1)));
  }

  /** A claim has its answer, or will have none. */
  end(key: string): void {
    const left = this.#claims.get(key)! - 1;
    if (left === 0) this.#claims.delete(key);
    else this.#claims.set(key, left);
  }
}
