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

/** A driver to try, and a key that no other case uses. */
export class Kit {
  readonly #id = randomUUID();
  readonly key = this.name('key');

  constructor(
    readonly driver: LockDriver,
    readonly expect: Expect,
  ) {}

  /** The full name of another key of this case alone. */
  name(key: string): string {
    return lockName(`conformance:${this.#id}:`, key);
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
    };
    return this.driver.acquire({ ...defaults, ...request } as AcquireRequest);
  }

  /** As `ask`, where the answer must be a grant. */
  async take(request?: Partial<AcquireRequest>): Promise<Grant> {
    const grant = await this.ask(request);
    if (!grant) throw new Error(`expected to be granted ${request?.key ?? this.key}`);
    return grant;
  }

  /** As `take`, of one who waits; resolves when it stands in line. */
  async queue(request: Partial<AcquireRequest> = {}): Promise<{ granted: Promise<Grant> }> {
    const granted = this.take({ wait: 4_000, ...request });
    granted.catch(() => {});
    await sleep(30);
    return { granted };
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
    const count = async () => (await this.driver.inspect(this.key))?.waiters;
    for (let tries = 0; tries < 50 && (await count()) !== waiters; tries++) await sleep(20);
    this.expect(await count()).toBe(waiters);
  }

  /** That nobody holds or awaits the key, now or soon. */
  async expectFree(key = this.key): Promise<void> {
    for (let tries = 0; tries < 50 && (await this.driver.inspect(key)); tries++) await sleep(20);
    this.expect(await this.driver.inspect(key)).toBe(null);
    this.expect(await this.driver.release(await this.take({ key }))).toBe(true);
  }
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
