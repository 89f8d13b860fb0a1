import type { Deadline } from '../../core/deadlines.js';
import type { AcquireRequest, LockInfo } from '../../lease/driver.js';
import { type Bounds, WaitQueue } from '../../mutex/wait-queue.js';

/** How many waiters `inspect` shows. */
const SHOWN = 100;

/** A request that waits. */
export interface Waiting extends Bounds {
  readonly request: AcquireRequest;
  /** ms since 1970. */
  readonly since: number;
}

export interface Hold {
  readonly request: AcquireRequest;
  readonly fence: number;
  /** ms since 1970. */
  readonly since: number;
  /** The end of its time, or of the rest after its release. */
  readonly expiry: Deadline;
  revoked: boolean;
}

/** One key that is held or rests: its holds, and its queue. */
export class MemoryLock {
  readonly queue = new WaitQueue<Waiting>(0);
  /** By token. */
  readonly holds = new Map<string, Hold>();
  /** By the clock of the deadlines: until then a released hold keeps its place inside. */
  restsUntil = -Infinity;

  constructor(readonly key: string) {}

  /** The hold of that owner, unless its time is up. */
  find(token: string, now: number): Hold | undefined {
    const hold = this.holds.get(token);
    return hold && now < hold.expiry.at ? hold : undefined;
  }

  /** At `now`, by the clock of the deadlines: what is due then has been fired. */
  info(now: number): LockInfo {
    const holds = [...this.holds.values()];
    const waiting: LockInfo['waiting'] = [];
    for (const { request, since } of this.queue) {
      waiting.push({ mode: request.mode, since, meta: { ...request.meta } });
      if (waiting.length === SHOWN) break;
    }
    const limit = holds.reduce((least, { request }) => Math.min(least, request.limit ?? Infinity), Infinity);
    return {
      key: this.key,
      mode: holds[0]?.request.mode ?? waiting[0]?.mode ?? 'write',
      ...(limit < Infinity && { limit }),
      waiters: this.queue.length,
      holders: holds.map(({ fence, since, expiry, request }) => ({
        fence,
        since,
        ttl: Math.ceil(expiry.at - now),
        meta: { ...request.meta },
      })),
      waiting,
      ...(this.restsUntil > now && { restsUntil: Math.ceil(Date.now() + this.restsUntil - now) }),
    };
  }
}
