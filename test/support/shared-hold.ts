import type { Clock } from '../../src/core/clock.js';
import type { Hold } from '../../src/engine/hold.js';
import { SharedClock } from '../../src/engine/thread/shared-clock.js';
import { SharedHold } from '../../src/engine/thread/shared-hold.js';
import type { AcquireRequest } from '../../src/lease/driver.js';

export const TTL = 10_000;

/** A try for the key `k`, by `token`, for {@link TTL}. */
export function tryOf(token: string, rest: Partial<AcquireRequest> = {}): AcquireRequest {
  const how = { mode: 'write', ttl: TTL, wait: 0, retryInterval: 100 } as const;
  return { key: 'k', token, ...how, meta: { who: token }, ...rest };
}

/** Lets another thread, whose heart has just beaten, renew the hold: what that one has of it. */
export function shareHold(hold: Hold, clock: Clock, ended = () => {}, shortened = () => {}): SharedHold {
  const sharedClock = new SharedClock(clock, SharedClock.time());
  sharedClock.tick();
  const memory = SharedHold.memory(sharedClock, hold.validUntil, hold.sequence, TTL);
  const shared = new SharedHold(memory, sharedClock, { until: Infinity, maxBlock: 60_000 });
  hold.share(shared, { shortened, ended });
  return shared;
}
