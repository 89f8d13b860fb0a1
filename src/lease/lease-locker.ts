import { randomUUID } from 'node:crypto';
import { firstOf } from '../core/abort.js';
import { checkFn } from '../core/check.js';
import { type Clock, sleep } from '../core/clock.js';
import type { Duration } from '../core/duration.js';
import { LockClosedError, LockNotObtainedError, LockTimeoutError } from '../core/errors.js';
import { checkKeys, lockName } from '../core/key.js';
import { trace } from './diagnostics.js';
import type { AcquireRequest, Grant, LockInfo } from './driver.js';
import { HeldLease } from './held-lease.js';
import { callSite, checkDeadlock, runHolding } from './holding.js';
import type { Lease } from './lease.js';
import { Lock } from './lock.js';
import { type Keys, Locker, type TryWithResult } from './locker.js';
import { type AcquireOptions, resolveOptions, type Settings } from './options.js';
import type { Renewer } from './renewer.js';
import { tryOften } from './tries.js';

// How long several keys are refreshed together, where the wait is over by then.
const LEAST_REFRESH_WAIT = 100;

/** What a locker needs of the registry that made it. */
export interface LockerHost {
  readonly clock: Clock;
  /** Aborts with a LockClosedError when the registry closes. */
  readonly closing: AbortSignal;
  /** Every lease that has not ended. */
  readonly leases: Set<HeldLease>;
  /** The driver of that name, connected, and its renewer. */
  backend(driver: string): Promise<Renewer>;
}

/** The locker of a registry: leases from whatever driver its settings name. */
export class LeaseLocker extends Locker {
  readonly #host: LockerHost;

  constructor(
    readonly name: string,
    readonly settings: Settings,
    host: LockerHost,
  ) {
    super();
    this.#host = host;
  }

  async tryAcquire(keys: Keys, options?: AcquireOptions): Promise<Lease | null> {
    return this.#obtain(keys, onceUnlessAsked(options), false);
  }

  acquire(keys: Keys, options?: AcquireOptions): Promise<Lease> {
    return this.#acquire(keys, options, false);
  }

  async with<T>(keys: Keys, fn: (lease: Lease) => T | Promise<T>, options?: AcquireOptions): Promise<T> {
    checkFn(fn);
    const takenAt = callSite(this.with);
    return this.#run(await this.#acquire(keys, options, true), fn, takenAt);
  }

  async tryWith<T>(
    keys: Keys,
    fn: (lease: Lease) => T | Promise<T>,
    options?: AcquireOptions,
  ): Promise<TryWithResult<T>> {
    checkFn(fn);
    const takenAt = callSite(this.tryWith);
    const lease = await this.#obtain(keys, onceUnlessAsked(options), true);
    return lease ? { acquired: true, value: await this.#run(lease, fn, takenAt) } : { acquired: false };
  }

  New(key: string, ttl?: Duration, options?: AcquireOptions): Lock {
    checkKeys(key);
    const all = { ...options, ...(ttl !== undefined && { ttl }) };
    resolveOptions(this.settings, all);
    return new Lock(this, key, all);
  }

  async inspect(key: string): Promise<LockInfo | null> {
    const [checked] = checkKeys(key);
    const { driver } = await this.#host.backend(this.settings.driver);
    const info = await driver.inspect(lockName(this.settings.prefix, checked!));
    return info && { ...info, key };
  }

  async #acquire(keys: Keys, options: AcquireOptions | undefined, renew: boolean): Promise<HeldLease> {
    const started = this.#host.clock.now();
    const lease = await this.#obtain(keys, options, renew);
    if (lease) return lease;
    const { wait, retry } = resolveOptions(this.settings, options);
    if (retry && wait > 0 && this.#host.clock.now() < started + wait)
      throw new LockNotObtainedError(keys, 'after the last retry');
    throw new LockTimeoutError(keys, wait);
  }

  async #obtain(keys: Keys, options: AcquireOptions | undefined, renew: boolean): Promise<HeldLease | null> {
    const sorted = checkKeys(keys);
    const settings = resolveOptions(this.settings, options);
    const { closing } = this.#host;
    if (closing.aborted) throw new LockClosedError(keys);
    settings.signal?.throwIfAborted();
    if (settings.wait > 0) checkDeadlock(this, sorted);
    const deadline = this.#host.clock.now() + settings.wait;
    const { signal, done } = firstOf(closing, settings.signal);
    try {
      return await trace('acquire', this.name, { keys: sorted, mode: settings.mode }, async () => {
        const renewer = await this.#host.backend(this.settings.driver);
        const lease = await this.#takeAll(renewer, sorted, { ...settings, signal }, deadline);
        if (!lease) return null;
        if (signal.aborted) {
          void lease[Symbol.asyncDispose]();
          throw signal.reason;
        }
        lease.autoRenew = settings.autoRenew ?? renew;
        renewer.watch(lease);
        this.#host.leases.add(lease);
        return lease;
      });
    } catch (error) {
      throw closing.aborted && error === closing.reason ? new LockClosedError(keys) : error;
    } finally {
      done();
    }
  }

  /** All the keys, or none. While it waits for the next one it keeps those it has. */
  async #takeAll(
    renewer: Renewer,
    keys: readonly string[],
    settings: Settings,
    deadline: number,
  ): Promise<HeldLease | null> {
    const token = randomUUID();
    let lease: HeldLease | undefined;
    try {
      for (const key of keys) {
        const grant = await this.#take(renewer, key, token, settings, deadline);
        if (!grant) {
          // A backend that is away must not keep us beyond the deadline.
          void lease?.release().catch(() => {});
          return null;
        }
        if (!lease) {
          lease = new HeldLease(this.name, this.#host, renewer, settings, key, grant);
        } else if (lease.held) {
          lease.include(key, grant);
        } else {
          void renewer.driver.release(grant).catch(() => {});
          return this.#takeAll(renewer, keys, settings, deadline);
        }
      }
      // The first keys have aged while the last one was awaited.
      if (keys.length > 1 && lease!.ttl() < settings.ttl * 0.9) {
        const left = Math.max(LEAST_REFRESH_WAIT, deadline - this.#host.clock.now());
        await within(lease!.refresh(), left, this.#host.clock);
      }
      if (lease!.held) return lease!;
      // It ran out on its way here.
      await lease!.release();
      return this.#host.clock.now() < deadline ? this.#takeAll(renewer, keys, settings, deadline) : null;
    } catch (error) {
      void lease?.release().catch(() => {});
      throw error;
    }
  }

  #take(
    { driver }: Renewer,
    key: string,
    token: string,
    { prefix, mode, ttl, wait, retryInterval, retry, meta, signal }: Settings,
    deadline: number,
  ): Promise<Grant | null> {
    const request: AcquireRequest = {
      key: lockName(prefix, key),
      token,
      mode,
      ttl,
      // To try once may take a backend longer than to wait for a moment.
      wait: Math.max(wait > 0 ? 1 : 0, deadline - this.#host.clock.now()),
      retryInterval,
      meta,
      signal,
    };
    const once = !retry || wait === 0;
    return once ? driver.acquire(request) : tryOften(retry, deadline, driver, request, this.#host.clock);
  }

  async #run<T>(lease: HeldLease, fn: (lease: Lease) => T | Promise<T>, takenAt: object): Promise<T> {
    lease.keepAlive(true);
    try {
      const value = await runHolding(this, lease, takenAt, () => fn(lease));
      await lease.finish();
      return value;
    } catch (error) {
      await lease[Symbol.asyncDispose]();
      throw error;
    } finally {
      lease.keepAlive(false);
    }
  }
}

/** `options`, trying once unless they say for how long or how often. */
function onceUnlessAsked(options: AcquireOptions = {}): AcquireOptions {
  const known = typeof options === 'object' && options !== null;
  const asked = !known || options.wait !== undefined || options.retry !== undefined;
  return asked ? options : { ...options, wait: 0 };
}

/** Waits for `promise`, but no longer than `ms`. @throws what it rejects with by then. */
async function within(promise: Promise<unknown>, ms: number, clock: Clock): Promise<void> {
  const over = new AbortController();
  const late = sleep(ms, clock, over.signal).catch(() => {});
  await Promise.race([promise, late]).finally(() => over.abort());
}
