import { randomUUID } from 'node:crypto';
import { lockName } from '../../core/key.js';
import type { AcquireRequest, Grant, LockDriver } from '../../lease/driver.js';

/** What the suite uses of `expect`. */
export type Expect = (actual: unknown) => {
  toBe(expected: unknown): void;
  toEqual(expected: unknown): void;
  toBeGreaterThan(expected: number): void;
  toBeLessThanOrEqual(expected: number): void;
};

/** One thing a driver does. */
export type Cases = Record<string, (kit: Kit) => Promise<void>>;

/** As much as a busy machine may add to a time, in ms. */
export const SLACK = 4_000;

/** A wait that is to end with a grant, in ms. It ends so long before its time that no machine is too slow. */
export const LONG = 9_000;

/** A wait that is to run out, in ms: the backend has answered before. */
export const BRIEF = 400;

/** A backend that counts in whole ms may be so early, in ms. */
export const ROUNDING = 2;

/** A driver to try, and a key that no other case uses. */
export class Kit {
  readonly key: string;

  constructor(
    readonly driver: LockDriver,
    readonly expect: Expect,
    readonly id: string = randomUUID(),
  ) {
    this.key = this.name('key');
  }

  /** The same keys, asked for through another driver. */
  through(driver: LockDriver): Kit {
    return new Kit(driver, this.expect, this.id);
  }

  /** What the full names of all keys of this case start with. */
  get prefix(): string {
    return `conformance:${this.id}:`;
  }

  /** The full name of another key of this case alone. */
  name(key: string): string {
    return lockName(this.prefix, key);
  }

  /** Asks for `this.key`: to write, for 10 s, once, with a token of its own. */
  ask(request: Partial<AcquireRequest> = {}): Promise<Grant | null> {
    const { key } = this;
    const defaults = {
      key,
      token: randomUUID(),
      mode: 'write',
      ttl: 10_000,
      wait: 0,
      retryInterval: 20,
      meta: {},
      // A backend that stalls for a moment is not at fault.
      patience: LONG,
    };
    return handled(this.driver.acquire({ ...defaults, ...request } as AcquireRequest));
  }

  /** As `ask`, where the answer must be a grant. */
  take(request?: Partial<AcquireRequest>): Promise<Grant> {
    return handled(this.#take(request));
  }

  /** As `take`, for a waiter; resolves when it is in the queue. */
  async queue(request: Partial<AcquireRequest> = {}): Promise<{ granted: Promise<Grant> }> {
    const { answer } = await this.queueUp(request);
    return { granted: handled(answer.then((grant) => grant ?? this.#refused(request))) };
  }

  /** As `ask`, for a waiter; resolves when it is in the queue. */
  async queueUp(request: Partial<AcquireRequest> = {}): Promise<{ answer: Promise<Grant | null> }> {
    const waiters = async () => (await this.driver.inspect(request.key ?? this.key))?.waiters ?? 0;
    const before = await waiters();
    const answer = this.ask({ wait: LONG, ...request });
    let settled = false;
    const settle = () => {
      settled = true;
    };
    answer.then(settle, settle);
    // A driver that counts its waiters wrongly goes on all the same: a case of its own says so.
    for (let looks = 0; looks < 60 && !settled && (await waiters()) <= before; looks++) await sleep(10);
    return { answer };
  }

  /** That the promise is unsettled, now and for `ms`. */
  async expectPending(promise: Promise<unknown>, ms = 80): Promise<void> {
    const settled = promise.then(
      () => 'settled',
      () => 'settled',
    );
    this.expect(await Promise.race([settled, sleep(ms)])).toBe(undefined);
  }

  /** That so many wait for the key, now or soon: a backend may still be on its way there. */
  async expectWaiters(waiters: number): Promise<void> {
    const count = async () => (await this.driver.inspect(this.key))?.waiters ?? 0;
    for (let tries = 0; tries < 150 && (await count()) !== waiters; tries++) await sleep(20);
    this.expect(await count()).toBe(waiters);
  }

  /** That nobody holds or awaits the key, now or soon. */
  async expectFree(key = this.key): Promise<void> {
    await this.untilFree(key);
    this.expect(await this.driver.inspect(key)).toBe(null);
    this.expect(await this.driver.release(await this.take({ key }))).toBe(true);
  }

  /** That nobody holds or awaits the key, now or soon, nor any more for `ms` after that. */
  async expectToStayFree(key = this.key, ms = 150): Promise<void> {
    await this.untilFree(key);
    for (const end = performance.now() + ms; performance.now() < end; await sleep(5))
      this.expect(await this.driver.inspect(key)).toBe(null);
  }

  /** Looks until nobody holds or awaits the key, for {@link SLACK} at most. */
  async untilFree(key = this.key): Promise<void> {
    for (const end = performance.now() + SLACK; performance.now() < end; await sleep(5))
      if (!(await this.driver.inspect(key))) return;
  }

  /**
   * A hold of `ttl` ms, and then of `by` ms from its extension on. Where the machine stalls until the first time is up,
   * it is another one.
   */
  async extended(ttl: number, by: number, request?: Partial<AcquireRequest>): Promise<Grant> {
    for (;;) {
      const grant = await this.take({ ...request, ttl });
      const answer = await this.driver.extend(grant, by);
      if (!answer && performance.now() >= grant.validUntil) continue;
      this.expect(answer?.fence).toBe(grant.fence);
      return grant;
    }
  }

  async #take(request?: Partial<AcquireRequest>): Promise<Grant> {
    return (await this.ask(request)) ?? this.#refused(request);
  }

  #refused({ key = this.key }: Partial<AcquireRequest> = {}): never {
    throw new Error(`expected to be granted ${key}`);
  }
}

/** As long as a process that runs does nothing, in ms. */
const STOOD_STILL = 100;

/** How long this process runs from now on, without the times for which it stands still. */
export function runTime(): { readonly ms: number; readonly stoodStill: boolean; stop(): void } {
  const time = { ms: 0, stoodStill: false, stop: () => clearInterval(timer) };
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    time.ms += Math.min(now - last, STOOD_STILL);
    time.stoodStill ||= now - last >= STOOD_STILL;
    last = now;
  }, 10);
  return time;
}

/** The promise, whose rejection is nobody's fault but that of the case that awaits it: it may have failed before. */
export function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** What the promise rejects with; undefined if it does not. */
export function reasonOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
}

// ms for which this process does nothing: more than a backend takes to answer.
const STILL = 50;

/** The answer, while this process stands still from so many turns of the event loop after the question. */
export async function readLate<T>(answer: Promise<T>, turns: number): Promise<T> {
  handled(answer);
  for (let n = 0; n < turns; n++) await new Promise((resolve) => setImmediate(resolve));
  for (const end = performance.now() + STILL; performance.now() < end; );
  return answer;
}
