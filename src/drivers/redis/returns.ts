import type { Clock, Timer } from '../../core/clock.js';
import type { Connection } from './connection.js';
import { askerOf, redisKeys } from './keys.js';
import { RELEASE } from './scripts.js';

/** What is to be given back: a hold, a place in line, or what a late answer may bring. */
export interface Return {
  readonly key: string;
  readonly token: string;
  /** The one it was used under, where the hold has another: see `LockDriver.release`. */
  readonly fence?: number | undefined;
  /** `clock.now()` from which on it is gone by itself. */
  readonly until: number;
}

// How long a release waits for a lost connection to come back.
const RECONNECT_MS = 500;
// How soon to try again where Redis is there, and fails.
const RETRY_MS = 250;

/** Gives back to Redis, and keeps trying while Redis is away, until what is owed is gone by itself. */
export class Returns {
  readonly #clock: Clock;
  readonly #connection: Connection;
  readonly #owed = new Map<string, Return>();
  readonly #sending = new Set<Promise<unknown>>();
  #retrying: Timer | undefined;
  #closed = false;

  constructor(clock: Clock, connection: Connection) {
    this.#clock = clock;
    this.#connection = connection;
  }

  /** True when it was a hold and ours. @throws LockBackendError when Redis is away; it is given back later then. */
  give(what: Return): Promise<boolean> {
    const sending = this.#give(what);
    this.#sending.add(sending);
    const done = () => void this.#sending.delete(sending);
    sending.then(done, done);
    return sending;
  }

  /** As {@link give}, for whom the outcome does not matter. */
  giveQuietly(what: Return): void {
    this.give(what).catch(() => {});
  }

  /**
   * As {@link give}, for a hold that is surely ours now: with one more attempt when the connection is lost under the
   * first, whose outcome is then unknown but made no difference to who owned it.
   */
  release(what: Return): Promise<boolean> {
    return this.give(what).catch(async () => {
      await this.#connection.whenReady(RECONNECT_MS);
      await this.give(what);
      return true;
    });
  }

  /** The connection is back: gives what is owed. */
  retry(): void {
    const owed = [...this.#owed.values()];
    this.#owed.clear();
    for (const what of owed) if (this.#clock.now() < what.until) this.giveQuietly(what);
  }

  /** Resolves when nothing is on its way; what is owed then stays so. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#sending);
    this.#closed = true;
    this.#retrying?.cancel();
  }

  #owe(what: Return): void {
    if (this.#closed) return;
    this.#owed.set(askerOf(what), what);
    this.#retrying ??= this.#clock.after(RETRY_MS, () => {
      this.#retrying = undefined;
      if (this.#connection.ready) this.retry();
    });
  }

  async #give(what: Return): Promise<boolean> {
    const { key, token, fence } = what;
    const args = [token, this.#connection.counted ? '1' : '0'];
    if (fence !== undefined) args.push(String(fence));
    let held = false;
    try {
      for (let more = true; more; ) {
        const { reply } = await this.#connection.run(RELEASE, redisKeys(key), args);
        held ||= (reply as number) % 2 === 1;
        more = (reply as number) >= 2;
      }
    } catch (error) {
      this.#owe(what);
      throw error;
    }
    return held;
  }
}
