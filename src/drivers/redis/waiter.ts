import { onAbort } from '../../core/abort.js';
import { type Clock, LOOK_MS, LOOKS, type Timer } from '../../core/clock.js';
import { Deadline, type Deadlines } from '../../core/deadlines.js';
import { type LockBackendError, LockClosedError } from '../../core/errors.js';
import type { AcquireRequest } from '../../lease/driver.js';
import { type Answer, type Connection, isUnwritable, PATIENCE } from './connection.js';
import { FENCE_BLOCK, type Hold, surelyUntil } from './hold.js';
import { redisKeys } from './keys.js';
import { ACQUIRE } from './scripts.js';

// A message may be lost, and a dead holder sends none: who waits looks again at the latest after this.
// The first in line are the first who must notice.
const LONGEST_RECHECK = 5_000;
const FIRST_RECHECK = 2_000;
// How long the answer to a single try may take.
const TRY_WALL = 1_000;

type AcquireReply = number | [granted: number, second: number, third: number];

/** What the waiters of one driver share. */
export interface WaiterHost {
  readonly clock: Clock;
  readonly connection: Connection;
  readonly inbox: string;
  readonly walls: Deadlines;
}

/**
 * One who asks Redis for a lock: tries, stands in line, looks again, and has an outcome at the latest when its wait is
 * over, whatever Redis does. Who gives up without having been refused gives back what a late answer may bring.
 */
export class Waiter {
  /** The hold, or null: somebody else held the lock all the time. */
  readonly outcome: Promise<Hold | null>;
  readonly #host: WaiterHost;
  readonly #request: AcquireRequest;
  readonly #asker: string;
  readonly #askedAt: number;
  readonly #startedAt: number;
  readonly #waits: boolean;
  readonly #deadline: number;
  readonly #args: readonly (string | number)[];
  readonly #longestRecheck: number;
  #settle!: (hold: Hold | null) => void;
  #fail!: (reason: unknown) => void;
  #settled = false;
  #checking = false;
  #checkedAt = 0;
  #checkAgain = false;
  #refused = false;
  #fault: LockBackendError | undefined;
  readonly #wall = new Deadline(() => this.#atWall());
  #recheck: Timer | undefined;
  #lastLook: Timer | undefined;
  #stopListening: (() => void) | undefined;

  /** `askedAt`: since when the request waits, in whatever line; -Infinity: long enough, the answer must come soon. */
  constructor(host: WaiterHost, request: AcquireRequest, asker: string, askedAt: number) {
    const { token, mode, ttl, wait, meta, signal } = request;
    this.#host = host;
    this.#request = request;
    this.#asker = asker;
    this.#askedAt = askedAt;
    this.#startedAt = host.clock.now();
    this.#waits = wait > 0;
    this.#deadline = askedAt + (this.#waits ? wait : TRY_WALL);
    this.#longestRecheck = Math.min(LONGEST_RECHECK, Math.max(ttl, 200));
    const stale = 3 * this.#longestRecheck + 1_000;
    const waiting = `${this.#waits ? 1 : 0} ${stale} ${host.connection.counted ? 1 : 0} ${host.inbox}`;
    this.#args = [token, mode[0]!, ttl, waiting, JSON.stringify(meta)];
    this.outcome = new Promise((resolve, reject) => {
      this.#settle = resolve;
      this.#fail = reject;
    });
    this.#stopListening = signal && onAbort(signal, () => this.#end(() => this.#fail(signal.reason)));
    this.#setWall();
    this.check();
  }

  /** Whether Redis may have something of ours that the outcome does not tell of. */
  get owing(): boolean {
    return this.#waits || this.#checking || this.#fault !== undefined;
  }

  /** What keeps Redis from telling whether somebody else holds the lock; it may pass. */
  get #trouble(): LockBackendError | undefined {
    const { connection } = this.#host;
    if (!connection.ready) return connection.error();
    return this.#checking ? this.#silence() : this.#fault;
  }

  /** Asks Redis anew: a new connection, or time for another look. */
  check(): void {
    if (this.#settled) return;
    if (this.#checking) {
      this.#checkAgain = true;
      return;
    }
    this.#checking = true;
    this.#checkedAt = this.#host.clock.now();
    this.#checkAgain = false;
    this.#recheck?.cancel();
    this.#host.connection.run(ACQUIRE, redisKeys(this.#request.key), this.#args).then(
      (answer) => {
        this.#checking = false;
        this.#fault = undefined;
        if (!this.#settled) this.#answered(answer);
      },
      (error: LockBackendError) => {
        this.#checking = false;
        this.#fault = error;
        if (!this.#settled) this.#failed(error);
      },
    );
  }

  /** Redis says that the lock was handed to us. */
  granted(fence: number): void {
    const validUntil = surelyUntil(this.#host.connection.messageSentAt, this.#request.ttl);
    // What the message surely leaves may be little, or nothing: then Redis is asked how much there is.
    if (validUntil - this.#host.clock.now() > this.#request.ttl / 2) this.#obtain(fence, validUntil);
    else this.check();
  }

  close(): void {
    this.#end(() => this.#fail(new LockClosedError(this.#request.key)));
  }

  #answered({ reply, sentAt }: Answer): void {
    const { fence, left, before } = answerOf(reply as AcquireReply, this.#request.ttl);
    if (fence > 0) {
      const validUntil = surelyUntil(sentAt, left);
      // A grant that came too late to be any good is no grant.
      if (this.#host.clock.now() < validUntil) return this.#obtain(fence, validUntil);
    } else if (!this.#waits) {
      return this.#end(() => this.#settle(null));
    }
    this.#refused = true;
    if (this.#lastLook && this.#host.clock.now() >= this.#deadline) return this.#giveUp();
    if (this.#checkAgain) return this.check();
    // The first in line looks first when the holder's time is up: it is handed the lock, and the others need not ask.
    const atExpiry = Math.max(0, left) + 1 + Math.min(before * 5, 100) + Math.random() * 5;
    const longest = Math.min(this.#longestRecheck, FIRST_RECHECK + before * 100);
    const delay = Math.min(atExpiry, longest * (0.8 + Math.random() * 0.2));
    this.#recheck = this.#host.clock.after(delay, () => this.check());
  }

  #failed(error: LockBackendError): void {
    const { connection, clock } = this.#host;
    if (this.#checkAgain) return this.check();
    // When the connection is back, its driver calls check().
    if (!connection.ready) return;
    if (isPassing(error) || isUnwritable(error))
      this.#recheck = clock.after(20 + Math.random() * 20, () => this.check());
    else this.#end(() => this.#fail(error));
  }

  /** One who was never answered runs out of patience with Redis; the others have until their deadline. */
  #setWall(): void {
    const { connection } = this.#host;
    const since = connection.ready ? this.#startedAt : Math.max(this.#askedAt, connection.lostAt);
    const at = this.#refused ? this.#deadline : Math.min(this.#deadline, since + PATIENCE);
    if (at < Infinity) this.#host.walls.set(this.#wall, at);
  }

  #atWall(looks = LOOKS): void {
    const { clock } = this.#host;
    this.#lastLook = undefined;
    if (this.#refused && clock.now() < this.#deadline) return this.#setWall();
    const again = (ms: number) => clock.after(ms, () => this.#atWall(looks - 1));
    if (looks > 0 && this.#trouble) this.#lastLook = again(LOOK_MS);
    // Even where no answer is due, a message that the lock was handed over may be here and unread.
    else if (looks === LOOKS) this.#lastLook = again(0);
    else this.#giveUp();
  }

  /** The wait is over: contention if Redis said so and is well, else its fault. */
  #giveUp(): void {
    const trouble = this.#trouble;
    if (trouble) this.#end(() => this.#fail(trouble));
    else this.#end(() => this.#settle(null));
  }

  #silence(): LockBackendError {
    const silentFor = Math.round(this.#host.clock.now() - this.#checkedAt);
    return this.#host.connection.error(new Error(`no answer within ${silentFor} ms`));
  }

  #obtain(fence: number, validUntil: number): void {
    const { token, mode } = this.#request;
    const lastFence = fence + (mode === 'write' ? FENCE_BLOCK - 1 : 0);
    this.#end(() =>
      this.#settle({ asker: this.#asker, token, request: this.#request, fence, lastFence, validUntil }),
    );
  }

  #end(settle: () => void): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#host.walls.clear(this.#wall);
    this.#recheck?.cancel();
    this.#lastLook?.cancel();
    this.#stopListening?.();
    settle();
  }
}

/** What ACQUIRE says; a fence of 0: not granted. */
function answerOf(reply: AcquireReply, ttl: number): { fence: number; left: number; before: number } {
  if (typeof reply === 'number') return { fence: reply, left: ttl, before: 0 };
  const [granted, second, third] = reply;
  return granted === 1
    ? { fence: second, left: third, before: 0 }
    : { fence: 0, left: second, before: third };
}

/** Faults that mend themselves while the connection stands: a fail-over, a cluster on the move, a start. */
function isPassing(error: Error): boolean {
  return /\b(READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|MOVED|ASK|UNBLOCKED|closed|Too many Cluster)\b/.test(
    error.message,
  );
}
