import { randomUUID } from 'node:crypto';
import { type Clock, sleep, systemClock } from '../../core/clock.js';
import { Deadlines } from '../../core/deadlines.js';
import { LockClosedError } from '../../core/errors.js';
import type { AcquireRequest, Extension, Grant, LockDriver, LockInfo } from '../../lease/driver.js';
import { type Dialled, dial } from './client.js';
import { Connection } from './connection.js';
import { grantOf, type Hold, surelyUntil } from './hold.js';
import { readInfo } from './info.js';
import { askerOf, redisKeys } from './keys.js';
import { Line } from './line.js';
import type { LentClient, RedisOptions } from './options.js';
import { Returns } from './returns.js';
import { EXTEND, INSPECT } from './scripts.js';
import { Waiter, type WaiterHost } from './waiter.js';

// How many holds one script extends: Lua is not to be interrupted.
const EXTEND_BATCH = 256;
// How long an extension waits for a lost connection to come back.
const RECONNECT_MS = 500;

/**
 * Leases in Redis 6.2 or later, or Valkey: one server, Sentinel or Cluster. A client that is lent is duplicated and
 * otherwise left alone. It connects by itself, and again whenever the connection is lost.
 * @throws LockConfigError when ioredis is not installed or the address is wrong, LockUsageError
 */
export async function redisDriver(
  redis: LentClient | RedisOptions = {},
  options: { clock?: Clock } = {},
): Promise<LockDriver> {
  return new RedisDriver(await dial(redis), options.clock ?? systemClock);
}

class RedisDriver implements LockDriver {
  readonly #clock: Clock;
  readonly #connection: Connection;
  readonly #host: WaiterHost;
  readonly #line: Line;
  readonly #returns: Returns;
  /** By asker. */
  readonly #asked = new Map<string, Promise<Grant | null>>();
  /** By asker: those who ask Redis. */
  readonly #waiters = new Map<string, Waiter>();
  #closed = false;

  constructor(dialled: Dialled, clock: Clock) {
    this.#clock = clock;
    const inbox = `latchkey:inbox:${randomUUID()}`;
    this.#connection = new Connection(clock, dialled, inbox, {
      ready: () => {
        this.#returns.retry();
        for (const waiter of this.#waiters.values()) waiter.check();
      },
      message: (text) => this.#receive(text),
    });
    this.#host = { clock, connection: this.#connection, inbox, walls: new Deadlines(clock) };
    this.#returns = new Returns(clock, this.#connection);
    this.#line = new Line(clock, (hold) => this.#returns.giveQuietly(toReturn(hold)));
  }

  acquire(request: AcquireRequest): Promise<Grant | null> {
    const asker = askerOf(request);
    let asked = this.#asked.get(asker);
    if (!asked) {
      asked = this.#acquire(request, asker);
      this.#asked.set(asker, asked);
      const forget = () => void this.#asked.delete(asker);
      asked.then(forget, forget);
    }
    return asked;
  }

  async extend(grant: Grant, ttl: number): Promise<Grant | null> {
    const [answer] = await this.#extend([{ grant, ttl }]);
    return answer!;
  }

  async extendMany(extensions: readonly Extension[]): Promise<(Grant | null | Error)[]> {
    // A script may touch one slot of a Cluster only.
    const size = this.#connection.counted ? EXTEND_BATCH : 1;
    const batches = Array.from({ length: Math.ceil(extensions.length / size) }, (_, i) =>
      extensions.slice(i * size, (i + 1) * size),
    );
    const answers = batches.map((batch) =>
      this.#extend(batch).catch((error: Error) => batch.map(() => error)),
    );
    return (await Promise.all<(Grant | null | Error)[]>(answers)).flat();
  }

  release(grant: Grant): Promise<boolean> {
    const asker = askerOf(grant);
    const hold = this.#line.find(asker);
    if (!hold) {
      const handedOn = this.#line.findRemote(asker) !== undefined;
      return handedOn ? Promise.resolve(false) : this.#returns.give({ ...grant, until: grant.validUntil });
    }
    if (this.#line.handOn(hold, grant.fence)) return Promise.resolve(true);
    const surelyOurs = this.#clock.now() < hold.validUntil;
    const released = this.#returns[surelyOurs ? 'release' : 'give'](toReturn(hold, grant.fence));
    // Now the next one here may ask Redis: behind the release, on the same connection.
    this.#line.drop(hold);
    return released;
  }

  async inspect(key: string): Promise<LockInfo | null> {
    await this.#connection.whenReady();
    const { reply } = await this.#connection.run(INSPECT, redisKeys(key), []);
    const info = readInfo(key, reply, (token) => this.#line.findRemote(askerOf({ key, token })));
    return info && { ...info, waiters: info.waiters + this.#line.waiting(key) };
  }

  ping(): Promise<void> {
    return this.#connection.ping();
  }

  async close(): Promise<void> {
    this.#closed = true;
    const waiters = [...this.#waiters.values()];
    for (const waiter of waiters) waiter.close();
    this.#line.close();
    await Promise.allSettled([...this.#asked.values()]);
    await this.#returns.close();
    this.#host.walls.stop();
    this.#connection.close();
  }

  async #acquire(request: AcquireRequest, asker: string): Promise<Grant | null> {
    if (this.#closed) throw new LockClosedError(request.key);
    request.signal?.throwIfAborted();
    const already = this.#line.find(asker);
    if (already) return grantOf(already);
    const askedAt = this.#clock.now();
    // Who tries once stands in no line, and overtakes nobody: Redis sees to that, once those here have asked it.
    if (request.wait === 0) {
      if (this.#line.isBusy(request.key)) await sleep(0, this.#clock);
      return await this.#ask(request, asker, askedAt);
    }
    const entered = await this.#line.enter(request);
    if (typeof entered === 'object') return grantOf(entered);
    if (entered) return await this.#ask(request, asker, askedAt);
    if (this.#line.holds(request.key)) return null;
    // Nobody here has the lock. Who does, if Redis is well, Redis alone can tell.
    return await this.#ask({ ...request, wait: 0 }, asker, -Infinity);
  }

  /** Asks Redis, for who tries once or is at the head of the line; whatever it gives too late goes back. */
  async #ask(request: AcquireRequest, asker: string, askedAt: number): Promise<Grant | null> {
    const { key, signal, wait, ttl } = request;
    const inLine = wait > 0;
    let waiter: Waiter | undefined;
    let grant: Grant | null = null;
    try {
      if (this.#closed) throw new LockClosedError(key);
      signal?.throwIfAborted();
      waiter = new Waiter(this.#host, request, asker, askedAt);
      this.#waiters.set(asker, waiter);
      const hold = await waiter.outcome;
      if (this.#closed) throw new LockClosedError(key);
      if (hold) {
        this.#line.keep(hold, inLine);
        grant = grantOf(hold);
      }
      return grant;
    } finally {
      this.#waiters.delete(asker);
      if (!grant && waiter && (waiter.owing || this.#closed))
        this.#returns.giveQuietly({ ...request, until: this.#clock.now() + ttl });
      if (!grant && inLine) this.#line.leave(request);
    }
  }

  async #extend(extensions: readonly Extension[]): Promise<(Grant | null)[]> {
    await this.#connection.whenReady(RECONNECT_MS);
    const holds = extensions.map(({ grant }) => this.#line.find(askerOf(grant)));
    const keys = extensions.flatMap(({ grant }) => redisKeys(grant.key).slice(0, 2));
    const args = extensions.flatMap(({ grant, ttl }, i) => {
      // One that was handed on is somebody else's now, though Redis still knows it by this token.
      const handedOn = !holds[i] && this.#line.findRemote(askerOf(grant));
      return [handedOn ? '' : (holds[i]?.token ?? grant.token), grant.mode[0]!, ttl];
    });
    const known = holds.filter((hold) => hold !== undefined);
    const { reply, sentAt } = await this.#line.extending(known, () => {
      // A shorter time may be in force although its answer is lost.
      const now = this.#clock.now();
      extensions.forEach(({ ttl }, i) => {
        const hold = holds[i];
        if (hold) this.#line.prolong(hold, Math.min(hold.validUntil, surelyUntil(now, ttl)));
      });
      return this.#connection.run(EXTEND, keys, args);
    });
    return extensions.map(({ grant, ttl }, i) => {
      const hold = holds[i];
      if ((reply as number[])[i] !== 1) {
        if (hold) this.#line.drop(hold);
        return null;
      }
      const validUntil = surelyUntil(sentAt, ttl);
      if (hold) this.#line.prolong(hold, validUntil);
      return { ...grant, validUntil };
    });
  }

  #receive(message: string): void {
    const [, token, fence, key] = /^(\S+) (\d+) (.*)$/s.exec(message) ?? [];
    if (!token || !key) return;
    const asker = askerOf({ key, token });
    const waiter = this.#waiters.get(asker);
    if (waiter) return waiter.granted(Number(fence));
    // Who asked is gone, and the lock must not stand idle until its time is up.
    if (!this.#line.findRemote(asker)) this.#returns.giveQuietly({ key, token, until: this.#clock.now() });
  }
}

function toReturn({ token, request: { key }, fence, validUntil }: Hold, usedUnder = fence) {
  return { key, token, until: validUntil, fence: usedUnder === fence ? undefined : usedUnder };
}
