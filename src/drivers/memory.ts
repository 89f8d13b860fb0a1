import { checkNames } from '../core/check.js';
import { type Clock, systemClock } from '../core/clock.js';
import { Deadline, Deadlines } from '../core/deadlines.js';
import { LockClosedError } from '../core/errors.js';
import type { AcquireRequest, Grant, LockDriver, LockInfo } from '../lease/driver.js';
import { EVERYONE, EXCLUSIVE } from '../mutex/wait-queue.js';
import { type Hold, MemoryLock, type Waiting } from './memory/memory-lock.js';

/**
 * Leases inside one process. `renewIn: 'thread'` changes nothing here, because all callers share the holder's event
 * loop and are blocked with it.
 */
export function memoryDriver(options: { clock?: Clock } = {}): LockDriver {
  checkNames(options, ['clock']);
  return new MemoryDriver(options.clock ?? systemClock);
}

class MemoryDriver implements LockDriver {
  readonly #clock: Clock;
  readonly #deadlines: Deadlines;
  /** Those that are held, or rest. */
  readonly #locks = new Map<string, MemoryLock>();
  #lastFence = 0;
  #closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#deadlines = new Deadlines(clock);
  }

  async acquire(request: AcquireRequest): Promise<Grant | null> {
    const { key, token, wait, signal } = request;
    if (this.#closed) throw new LockClosedError(key);
    const now = this.#clock.now();
    this.#deadlines.run(now);
    const known = this.#locks.get(key);
    const already = known?.find(token, now);
    if (already) return grantOf(already);
    signal?.throwIfAborted();
    const lock = known ?? this.#open(key);
    if (lock.queue.tryEnter(limitOf(request))) return grantOf(this.#hold(lock, request));
    return wait > 0 ? await this.#wait(lock, request) : null;
  }

  async extend({ key, token }: Grant, ttl: number): Promise<Grant | null> {
    const now = this.#clock.now();
    const hold = this.#locks.get(key)?.find(token, now);
    if (!hold || hold.revoked) return null;
    this.#deadlines.set(hold.expiry, now + ttl);
    return grantOf(hold);
  }

  async release({ key, token, fence }: Grant, keepFor = 0): Promise<boolean> {
    const lock = this.#locks.get(key);
    const hold = lock?.find(token, this.#clock.now());
    if (!lock || !hold) return false;
    this.#lastFence = Math.max(this.#lastFence, fence);
    if (keepFor > 0) this.#rest(lock, hold, keepFor);
    else this.#end(lock, hold);
    return true;
  }

  async inspect(key: string): Promise<LockInfo | null> {
    if (this.#closed) throw new LockClosedError(key);
    const now = this.#clock.now();
    this.#deadlines.run(now);
    return this.#locks.get(key)?.info(now) ?? null;
  }

  async *list(prefix: string): AsyncGenerator<LockInfo, void, void> {
    if (this.#closed) throw new LockClosedError();
    for (const key of [...this.#locks.keys()].filter((name) => name.startsWith(prefix))) {
      const info = await this.inspect(key);
      if (info) yield info;
    }
  }

  async revoke(key: string, fence: number, grace = 0): Promise<boolean> {
    if (this.#closed) throw new LockClosedError(key);
    const now = this.#clock.now();
    const holds = this.#locks.get(key)?.holds.values() ?? [];
    const hold = [...holds].find((held) => held.fence === fence);
    if (!hold || now >= hold.expiry.at) return false;
    hold.revoked = true;
    this.#deadlines.set(hold.expiry, Math.min(hold.expiry.at, now + grace));
    this.#deadlines.run(now);
    hold.request.onRevoked?.(grace);
    return true;
  }

  async ping(): Promise<void> {
    if (this.#closed) throw new LockClosedError();
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const { key, queue } of this.#locks.values()) {
      for (const waiting of queue.drain()) waiting.aborted(new LockClosedError(key));
    }
    this.#locks.clear();
    this.#deadlines.stop();
  }

  #open(key: string): MemoryLock {
    const lock = new MemoryLock(key);
    this.#locks.set(key, lock);
    return lock;
  }

  #wait(lock: MemoryLock, request: AcquireRequest): Promise<Grant | null> {
    // Only a deadline may end this wait: the process must live to see it.
    this.#deadlines.keepAlive(true);
    return new Promise((resolve, reject) => {
      const done = (grant: Grant | null) => {
        this.#deadlines.keepAlive(false);
        resolve(grant);
      };
      const waiting: Waiting = {
        request,
        since: Date.now(),
        wait: request.wait,
        signal: request.signal,
        clock: this.#clock,
        timedOut: () => done(null),
        aborted: (reason) => {
          this.#deadlines.keepAlive(false);
          reject(reason);
        },
      };
      lock.queue.waitWithin(limitOf(request), waiting, () => done(grantOf(this.#enter(lock, request))));
    });
  }

  /** The hold of a request that waited and is inside now. */
  #enter(lock: MemoryLock, request: AcquireRequest): Hold {
    const twin = lock.find(request.token, this.#clock.now());
    if (!twin) return this.#hold(lock, request);
    // Not now: the queue is admitting, and many requests of one token would nest.
    queueMicrotask(() => this.#leave(lock, request));
    return twin;
  }

  /** Makes the hold of a request that is inside. */
  #hold(lock: MemoryLock, request: AcquireRequest): Hold {
    const { token, ttl } = request;
    const since = Date.now();
    // The clock's part keeps fences growing over restarts; as on Redis.
    this.#lastFence = Math.max(this.#lastFence + 1, since * 1_000);
    const expiry = new Deadline(() => this.#end(lock, hold));
    const hold: Hold = { request, fence: this.#lastFence, since, expiry, revoked: false };
    lock.holds.set(token, hold);
    this.#deadlines.set(expiry, this.#clock.now() + ttl);
    return hold;
  }

  #end(lock: MemoryLock, hold: Hold): void {
    const { token } = hold.request;
    this.#deadlines.clear(hold.expiry);
    // It may rest, or another one of its token may have followed before the timer told of its end.
    if (lock.holds.get(token) === hold) lock.holds.delete(token);
    this.#leave(lock, hold.request);
  }

  /** The hold is over, but keeps its place inside for `ms`. */
  #rest(lock: MemoryLock, hold: Hold, ms: number): void {
    const until = this.#clock.now() + ms;
    lock.holds.delete(hold.request.token);
    lock.restsUntil = Math.max(lock.restsUntil, until);
    this.#deadlines.set(hold.expiry, until);
  }

  #leave(lock: MemoryLock, { mode }: AcquireRequest): void {
    if (lock.queue.leave(mode === 'write')) this.#locks.delete(lock.key);
  }
}

/** As the queue takes it. */
function limitOf({ mode, limit = Infinity }: AcquireRequest): number {
  return mode === 'write' ? EXCLUSIVE : Math.min(limit, EVERYONE);
}

function grantOf({ request: { key, token, mode }, fence, expiry }: Hold): Grant {
  return { key, token, mode, fence, validUntil: expiry.at };
}
