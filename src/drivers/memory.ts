import { type Clock, systemClock } from '../core/clock.js';
import { Deadline, Deadlines } from '../core/deadlines.js';
import { LockClosedError, LockTimeoutError } from '../core/errors.js';
import type { AcquireRequest, Grant, LockDriver, LockInfo, LockMode } from '../lease/driver.js';
import { KeyedMutex } from '../mutex/keyed-mutex.js';

/** One hold of one key, as this driver keeps it. */
class Hold {
  constructor(
    readonly request: AcquireRequest,
    readonly fence: number,
    readonly expiry: Deadline,
    readonly since = Date.now(),
  ) {}
}

/** Leases inside one process. */
export function memoryDriver(options: { clock?: Clock } = {}): LockDriver {
  return new MemoryDriver(options.clock ?? systemClock);
}

class MemoryDriver implements LockDriver {
  readonly #clock: Clock;
  readonly #mutex: KeyedMutex<string>;
  readonly #holds = new Map<string, Map<string, Hold>>();
  readonly #expiries: Deadlines;
  #lastFence = 0;
  #closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#mutex = new KeyedMutex({ clock });
    this.#expiries = new Deadlines(clock);
  }

  async acquire(request: AcquireRequest): Promise<Grant | null> {
    if (this.#closed) throw new LockClosedError(request.key);
    this.#expiries.run();
    const already = this.#find(request);
    if (already) return this.#grant(already);
    if (!(await this.#enter(request))) return null;
    const twin = this.#find(request);
    if (!twin && !this.#closed) return this.#hold(request);
    this.#leave(request);
    if (twin) return this.#grant(twin);
    throw new LockClosedError(request.key);
  }

  async extend(grant: Grant, ttl: number): Promise<Grant | null> {
    const hold = this.#find(grant);
    if (!hold) return null;
    this.#expiries.set(hold.expiry, this.#clock.now() + ttl);
    return this.#grant(hold);
  }

  async release(grant: Grant): Promise<boolean> {
    const hold = this.#find(grant);
    if (!hold) return false;
    this.#lastFence = Math.max(this.#lastFence, grant.fence);
    this.#end(hold.request);
    return true;
  }

  async inspect(key: string): Promise<LockInfo | null> {
    this.#expiries.run();
    const holds = [...(this.#holds.get(key)?.values() ?? [])];
    if (holds.length === 0) return null;
    return {
      key,
      mode: holds[0]!.request.mode,
      waiters: this.#mutex.waiting(key),
      waiting: [],
      holders: holds.map(({ fence, expiry, request, since }) => ({
        fence,
        since,
        ttl: Math.ceil(expiry.at - this.#clock.now()),
        meta: { ...request.meta },
      })),
    };
  }

  async ping(): Promise<void> {
    if (this.#closed) throw new LockClosedError();
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const holds of this.#holds.values()) for (const { request } of holds.values()) this.#end(request);
    this.#expiries.stop();
  }

  async #enter({ key, mode, wait, signal }: AcquireRequest): Promise<boolean> {
    // Who waits may be waiting for nothing but an expiry: the process must live to see it.
    this.#expiries.keepAlive(true);
    try {
      const options = { wait: wait === Infinity ? ('forever' as const) : wait, signal };
      await (mode === 'write' ? this.#mutex.lock(key, options) : this.#mutex.rLock(key, options));
      return true;
    } catch (error) {
      if (error instanceof LockTimeoutError) return false;
      throw error;
    } finally {
      this.#expiries.keepAlive(false);
    }
  }

  #hold(request: AcquireRequest): Grant {
    const { key, token, ttl } = request;
    // The clock's part keeps fences growing over restarts; as on Redis.
    this.#lastFence = Math.max(this.#lastFence + 1, Date.now() * 1_000);
    const hold = new Hold(request, this.#lastFence, new Deadline(() => this.#end(request)));
    const holds = this.#holds.get(key);
    if (holds) holds.set(token, hold);
    else this.#holds.set(key, new Map([[token, hold]]));
    this.#expiries.set(hold.expiry, this.#clock.now() + ttl);
    return this.#grant(hold);
  }

  #grant({ request: { key, token, mode }, fence, expiry }: Hold): Grant {
    return { key, token, mode, fence, validUntil: expiry.at };
  }

  /** The hold, unless its time is up. */
  #find({ key, token }: { key: string; token: string }): Hold | undefined {
    const hold = this.#holds.get(key)?.get(token);
    return hold && this.#clock.now() < hold.expiry.at ? hold : undefined;
  }

  #end({ key, token }: { key: string; token: string }): void {
    const holds = this.#holds.get(key);
    const hold = holds?.get(token);
    if (!holds || !hold) return;
    this.#expiries.clear(hold.expiry);
    holds.delete(token);
    if (holds.size === 0) this.#holds.delete(key);
    this.#leave({ key, mode: hold.request.mode });
  }

  #leave({ key, mode }: { key: string; mode: LockMode }): void {
    if (mode === 'write') this.#mutex.unlock(key);
    else this.#mutex.rUnlock(key);
  }
}
