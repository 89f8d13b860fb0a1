import { firstOf } from '../core/abort.js';
import { sleep } from '../core/clock.js';
import { LockBackendError, LockClosedError, LockNotObtainedError, LockTimeoutError } from '../core/errors.js';
import { lockName } from '../core/key.js';
import type { RetryStrategy } from '../core/retry.js';
import { within } from '../core/within.js';
import type { Backend } from './backend.js';
import type { AcquireRequest, Grant } from './driver.js';
import { faultOf } from './fault.js';
import { GrantSet } from './grant-set.js';
import { HeldLease } from './held-lease.js';
import { checkDeadlock } from './holding.js';
import type { LockerHost } from './host.js';
import type { Settings } from './options.js';
import { LEAST_PATIENCE, TRY_PATIENCE, tryOften } from './tries.js';

/** How a call obtains its keys: its options, checked. */
export interface Call {
  readonly locker: string;
  readonly settings: Settings;
  readonly autoRenew: boolean;
  /** Whether it is an error not to obtain them. */
  readonly must: boolean;
}

/** Takes the keys of one call in their order, all or none. While it waits for the next one it keeps those it has. */
export class Gathering {
  /** As the caller named them. */
  readonly #named: string | readonly string[];
  /** Sorted, each once. */
  readonly #keys: readonly string[];
  readonly #call: Call;
  readonly #host: LockerHost;
  readonly #deadline: number;
  readonly #signal: AbortSignal;
  readonly #ignoreSignals: (() => void) | undefined;
  #set: GrantSet | undefined;
  /** `clock.now()` from which on no more keys are asked for, once the wait is over. */
  #over: number | undefined;
  /** Of a try, where it is not the usual one. */
  #patience: number | undefined;

  constructor(named: string | readonly string[], keys: readonly string[], call: Call, host: LockerHost) {
    const { wait, signal } = call.settings;
    this.#named = named;
    this.#keys = keys;
    this.#call = call;
    this.#host = host;
    this.#deadline = host.clock.now() + wait;
    const both = signal && firstOf(host.closing, signal);
    this.#signal = both?.signal ?? host.closing;
    this.#ignoreSignals = both?.done;
  }

  /** Null: somebody else holds one of them. */
  async run(): Promise<HeldLease | null> {
    const { settings } = this.#call;
    const keys = this.#keys;
    try {
      this.#signal.throwIfAborted();
      const made = this.#host.backend(settings.driver);
      const backend = made instanceof Promise ? await this.#made(made) : made;
      if (settings.wait > 0) checkDeadlock(backend, settings.prefix, keys);
      const starting = this.#inThread ? backend.startThread() : undefined;
      if (starting) {
        this.#patience = TRY_PATIENCE / 2;
        await this.#started(starting);
      }
      for (let tooLate = 0; ; ) {
        const set = new GrantSet(backend, settings.ttl);
        this.#set = set;
        let grant: Grant | null = null;
        let all = false;
        for (const key of keys) {
          grant = all && this.#isOver() ? null : await this.#claim(backend, set, key);
          all = grant !== null && set.add(grant);
          if (!all || keys.length === 1) break;
          set.keep();
        }
        // One may have been revoked since the answer.
        if (all && keys.length > 1) all = (await this.#topUp(set)) && set.check();
        this.#signal.throwIfAborted();
        if (all) return new HeldLease(backend, set, keys, this.#call);
        set.abandon();
        if (!grant) return this.#refused();
        // A key was lost while another was awaited, or this process was stopped: all are taken anew.
        const now = this.#host.clock.now();
        if ((now >= grant.validUntil || now >= this.#deadline) && tooLate++ > 0) {
          if (set.loss === 'revoked') return this.#refused();
          throw this.#lostTwice();
        }
      }
    } catch (error) {
      this.#set?.abandon();
      throw this.#faultOf(error);
    } finally {
      this.#ignoreSignals?.();
    }
  }

  #left(): number {
    return this.#deadline - this.#host.clock.now();
  }

  /** Whether no more keys are asked for. From the first one after the wait on they are for a moment: a pause may be why. */
  #isOver(): boolean {
    const now = this.#host.clock.now();
    if (this.#call.settings.wait === 0 || now < this.#deadline) return false;
    this.#over ??= now + LEAST_PATIENCE;
    return now > this.#over;
  }

  /** A single try needs no strategy. */
  get #retry(): RetryStrategy | undefined {
    const { retry, wait } = this.#call.settings;
    return wait > 0 ? retry : undefined;
  }

  async #made(making: Promise<Backend>): Promise<Backend> {
    const { wait, driver } = this.#call.settings;
    const patience = Math.max(wait, TRY_PATIENCE);
    const backend = await within(making, patience, this.#host.clock, this.#signal);
    if (!backend) throw new LockBackendError(`driver "${driver}" was not made within ${patience} ms`);
    return backend;
  }

  get #inThread(): boolean {
    return this.#call.autoRenew && this.#call.settings.renewIn === 'thread';
  }

  /** A lease is not to be over before the thread is there that renews it. But half of the time is for the key. */
  async #started(starting: Promise<void>): Promise<void> {
    const { wait } = this.#call.settings;
    await within(starting, (wait || TRY_PATIENCE) / 2, this.#host.clock, this.#signal);
  }

  #claim({ driver }: Backend, set: GrantSet, key: string): Promise<Grant | null> {
    const { prefix, mode, limit, ttl, wait, retryInterval, meta } = this.#call.settings;
    const name = lockName(prefix, key);
    const left = this.#left();
    const retry = this.#retry;
    const request: AcquireRequest = {
      key: name,
      token: set.token,
      mode,
      limit,
      ttl,
      wait: Math.max(0, left),
      patience: wait === 0 ? this.#patience : left <= 0 ? LEAST_PATIENCE : undefined,
      retryInterval,
      meta,
      signal: this.#signal,
      onRevoked: (grace) => set.revoke(name, grace),
    };
    if (!retry) return driver.acquire(request);
    return tryOften(retry, this.#deadline, driver, request, this.#host.clock);
  }

  /** The first keys have aged while the last one was awaited. False: one was lost. */
  async #topUp(set: GrantSet): Promise<boolean> {
    const { ttl } = this.#call.settings;
    const { clock } = this.#host;
    const until = Math.max(this.#deadline, clock.now() + LEAST_PATIENCE);
    if (set.left() >= ttl * 0.9) return true;
    for (let left = until - clock.now(); left > 0 && set.check(); left = until - clock.now()) {
      try {
        await within(set.extend(ttl), left, clock, this.#signal);
        break;
      } catch {
        if (this.#signal.aborted) break;
        // All keys are ours: a fault that passes costs no more than its time.
        await sleep(Math.min(left, Math.max(10, set.left() / 8)), clock, this.#signal).catch(() => {});
      }
    }
    return set.check();
  }

  #refused(): null {
    const { must, settings } = this.#call;
    const named = this.#named;
    if (!must) return null;
    throw this.#retry && this.#left() > 0
      ? new LockNotObtainedError(named, 'after the last retry')
      : new LockTimeoutError(named, settings.wait);
  }

  #lostTwice(): LockBackendError {
    const { ttl } = this.#call.settings;
    const why =
      this.#keys.length === 1
        ? `its \`ttl\` of ${ttl} ms was over before it was granted, twice: use a longer one`
        : `one of the keys was lost before all were granted, twice: a \`ttl\` of ${ttl} ms may be too short`;
    return new LockBackendError(why, { key: this.#named });
  }

  #faultOf(error: unknown): unknown {
    const { closing } = this.#host;
    if (this.#signal.aborted) {
      const { reason } = this.#signal;
      return closing.aborted && reason === closing.reason ? new LockClosedError(this.#named) : reason;
    }
    // What a retry strategy throws is its user's own.
    return this.#retry ? error : faultOf(error);
  }
}
