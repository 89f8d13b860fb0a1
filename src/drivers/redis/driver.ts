import { randomUUID } from 'node:crypto';
import { type Clock, systemClock } from '../../lock/clock.js';
import type { AcquireRequest, Extension, Grant, LockDriver, LockInfo } from '../../lock/driver.js';
import { LockClosedError } from '../../lock/errors.js';
import { type Dialled, dial } from './client.js';
import { Connection } from './connection.js';
import { grantOf, type Hold, surelyUntil } from './hold.js';
import { readInfo } from './info.js';
import { redisKeys } from './keys.js';
import { Line } from './line.js';
import type { LentClient, RedisOptions } from './options.js';
import { Returns } from './returns.js';
import { EXTEND, INSPECT } from './scripts.js';
import { Waiter } from './waiter.js';

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
  readonly #inbox = `latchkey:inbox:${randomUUID()}`;
  readonly #connection: Connection;
  readonly #line: Line;
  readonly #returns: Returns;
  readonly #waiters = new Map<string, Waiter>();
  #closed = false;

  constructor(dialled: Dialled, clock: Clock) {
    this.#clock = clock;
    this.#connection = new Connection(clock, dialled, this.#inbox, {
      ready: () => {
        this.#returns.retry();
        for (const waiter of this.#waiters.values()) waiter.check();
      },
      message: (text) => this.#receive(text),
    });
    this.#returns = new Returns(clock, this.#connection);
    this.#line = new Line(clock, (hold) => this.#returns.giveQuietly(toReturn(hold)));
  }

  async acquire(request: AcquireRequest): Promise<Grant | null> {
    if (this.#closed) throw new LockClosedError(request.key);
    request.signal?.throwIfAborted();
    const already = this.#line.find(request.token);
    if (already) return grantOf(already);
    // Who tries once stands in no line, and overtakes nobody: Redis sees to that, and the line for those here.
    if (request.wait === 0)
      return this.#line.waiting(request.key) > 0 && this.#connection.ready ? null : this.#ask(request);
    const deadline = this.#clock.now() + request.wait;
    const entered = await this.#line.enter(request);
    // Those before us may have been kept waiting by Redis, and not by each other.
    if (entered === false && !this.#connection.ready) throw this.#connection.error();
    if (typeof entered === 'object') return grantOf(entered);
    return entered ? this.#askAtHead(request, deadline) : null;
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

  async release(grant: Grant): Promise<boolean> {
    const hold = this.#line.find(grant.token);
    if (!hold) return this.#returns.give({ ...grant, until: grant.validUntil });
    if (this.#line.handOn(hold)) return true;
    const released = this.#returns.release(toReturn(hold));
    // Now the next one here may ask Redis: behind the release, on the same connection.
    this.#line.drop(hold);
    return released;
  }

  async inspect(key: string): Promise<LockInfo | null> {
    await this.#connection.whenReady();
    const { reply } = await this.#connection.run(INSPECT, redisKeys(key), []);
    const info = readInfo(key, reply, (token) => this.#line.findRemote(token));
    return info && { ...info, waiters: info.waiters + this.#line.waiting(key) };
  }

  ping(): Promise<void> {
    return this.#connection.ping();
  }

  async close(): Promise<void> {
    this.#closed = true;
    const waiters = [...this.#waiters.values()];
    for (const waiter of waiters) waiter.close();
    await Promise.allSettled(waiters.map(({ outcome }) => outcome));
    await this.#returns.settled();
    await this.#connection.close();
  }

  async #askAtHead(request: AcquireRequest, deadline: number): Promise<Grant | null> {
    let grant: Grant | null = null;
    try {
      grant = await this.#ask(request, deadline);
      return grant;
    } finally {
      if (!grant) this.#line.leave(request);
    }
  }

  /** Asks Redis; whatever it gives too late goes back. Without a deadline it does so once, past the line. */
  async #ask(request: AcquireRequest, deadline?: number): Promise<Grant | null> {
    if (this.#closed) throw new LockClosedError(request.key);
    request.signal?.throwIfAborted();
    const host = { clock: this.#clock, connection: this.#connection, inbox: this.#inbox };
    const waiter = new Waiter(host, request, deadline);
    this.#waiters.set(request.token, waiter);
    let hold: Hold | null = null;
    try {
      hold = await waiter.outcome;
      if (hold) this.#line.keep(hold, deadline !== undefined);
      return hold && grantOf(hold);
    } finally {
      this.#waiters.delete(request.token);
      if (!hold && waiter.owing)
        this.#returns.giveQuietly({ ...request, until: this.#clock.now() + request.ttl });
    }
  }

  async #extend(extensions: readonly Extension[]): Promise<(Grant | null)[]> {
    await this.#connection.whenReady(RECONNECT_MS);
    const holds = extensions.map(({ grant }) => this.#line.find(grant.token));
    const keys = extensions.flatMap(({ grant }) => redisKeys(grant.key).slice(0, 2));
    const args = extensions.flatMap(({ grant, ttl }, i) => [
      holds[i]?.token ?? grant.token,
      grant.mode[0]!,
      ttl,
    ]);
    const known = holds.filter((hold) => hold !== undefined);
    const { reply, sentAt } = await this.#line.extending(known, () =>
      this.#connection.run(EXTEND, keys, args),
    );
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
    const waiter = this.#waiters.get(token);
    if (waiter) return waiter.granted(Number(fence));
    // Who asked is gone, and the lock must not stand idle until its time is up.
    if (!this.#line.findRemote(token)) this.#returns.giveQuietly({ key, token, until: this.#clock.now() });
  }
}

function toReturn({ token, request: { key }, validUntil }: Hold) {
  return { key, token, until: validUntil };
}
