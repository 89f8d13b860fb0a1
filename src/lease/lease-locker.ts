import { checkFn } from '../core/check.js';
import { type Duration, parseDuration } from '../core/duration.js';
import { LockUsageError } from '../core/errors.js';
import { checkKey, checkKeys, keyOfName, lockName, nameStart } from '../core/key.js';
import type { Backend } from './backend.js';
import { isTraced, traceAcquire, traceRevoke } from './diagnostics.js';
import type { LockInfo } from './driver.js';
import { Gathering } from './gathering.js';
import type { HeldLease } from './held-lease.js';
import { callSite } from './holding.js';
import type { LockerHost } from './host.js';
import { lead } from './lead.js';
import type { Lease } from './lease.js';
import { Lock } from './lock.js';
import { type Keys, type ListOptions, Locker, type TryWithResult } from './locker.js';
import { type OnceOptions, type OnceResult, parseOnce, runnerOf, runOnce, slotKey } from './once.js';
import { checkNames } from './option-checks.js';
import { type AcquireOptions, checkAtLeast, resolveCall, type Settings } from './options.js';
import { warnOfShortTtl } from './short-ttl.js';
import { runUnder, type Work } from './with.js';

/** How a call obtains its lease. `must`: it is an error not to obtain it. */
interface Way {
  readonly renews: boolean;
  readonly must: boolean;
}

const ACQUIRE: Way = { renews: false, must: true };
const TRY_ACQUIRE: Way = { renews: false, must: false };
const WITH: Way = { renews: true, must: true };
const TRY_WITH: Way = { renews: true, must: false };

/** The locker of a registry: leases from whatever driver its settings name. */
export class LeaseLocker extends Locker {
  readonly #host: LockerHost;
  /** Of those calls that try once unless told otherwise. */
  readonly #tries: Settings;

  constructor(
    readonly name: string,
    readonly settings: Settings,
    host: LockerHost,
  ) {
    super();
    this.#host = host;
    this.#tries = { ...settings, wait: 0 };
  }

  tryAcquire(keys: Keys, options?: AcquireOptions): Promise<Lease | null> {
    return this.#obtain(keys, this.#trying(options), options, TRY_ACQUIRE);
  }

  acquire(keys: Keys, options?: AcquireOptions): Promise<Lease> {
    return this.#obtain(keys, this.settings, options, ACQUIRE) as Promise<Lease>;
  }

  async with<T>(keys: Keys, fn: Work<T>, options?: AcquireOptions): Promise<T> {
    checkFn(fn);
    const takenAt = callSite(this.with);
    const lease = await this.#obtain(keys, this.settings, options, WITH);
    return runUnder(lease!, fn, takenAt);
  }

  async tryWith<T>(keys: Keys, fn: Work<T>, options?: AcquireOptions): Promise<TryWithResult<T>> {
    checkFn(fn);
    const takenAt = callSite(this.tryWith);
    const lease = await this.#obtain(keys, this.#trying(options), options, TRY_WITH);
    return lease ? { acquired: true, value: await runUnder(lease, fn, takenAt) } : { acquired: false };
  }

  async once<T>(
    key: string,
    slot: string | number | Date,
    fn: Work<T>,
    options?: OnceOptions,
  ): Promise<OnceResult<T>> {
    checkFn(fn);
    const takenAt = callSite(this.once);
    const name = slotKey(key, slot);
    const { mark, call } = parseOnce(options);
    const lease = await this.#obtain(name, alone(this.#trying(call), call), call, TRY_WITH);
    if (lease) return { ran: true, value: await runOnce(lease, fn, takenAt, mark) };
    // That it cannot be told who runs it is no failure.
    return { ran: false, ...runnerOf(await this.inspect(name).catch(() => null)) };
  }

  async lead<T>(key: string, fn: Work<T>, options?: AcquireOptions): Promise<T> {
    checkFn(fn);
    checkKey(key);
    const takenAt = callSite(this.lead);
    const settings = resolveCall(alone({ ...this.settings, wait: Infinity }, options), options);
    const obtain = (term: Settings) => this.#gather(key, term, WITH) as Promise<HeldLease>;
    return lead({ locker: this.name, key, fn, takenAt, settings, host: this.#host, obtain });
  }

  New(key: string, ttl?: Duration, options?: AcquireOptions): Lock {
    checkKey(key);
    const all = { ...options, ...(ttl !== undefined && { ttl }) };
    const settings = resolveCall(this.settings, all);
    checkAtLeast(settings, settings.autoRenew ?? false);
    return new Lock(this, key, all);
  }

  async inspect(key: string): Promise<LockInfo | null> {
    const name = lockName(this.settings.prefix, checkKey(key));
    const info = await (await this.#backend()).inspect(name);
    return info && { ...info, key };
  }

  async *list(options: ListOptions = {}): AsyncGenerator<LockInfo, void, void> {
    checkNames(options, ['prefix', 'onProgress']);
    const { prefix: start = '', onProgress } = options;
    if (onProgress !== undefined && typeof onProgress !== 'function')
      throw new LockUsageError('onProgress', onProgress, 'a function');
    if (typeof start !== 'string') throw new LockUsageError('prefix', start, 'text');
    const { prefix } = this.settings;
    const backend = await this.#backend();
    for await (const info of backend.list(nameStart(prefix, start), onProgress)) {
      yield { ...info, key: keyOfName(prefix, info.key) };
    }
  }

  async revoke(key: string, fence: number, options: { grace?: Duration | undefined } = {}): Promise<boolean> {
    const name = lockName(this.settings.prefix, checkKey(key));
    if (!Number.isSafeInteger(fence) || fence < 1)
      throw new LockUsageError('fence', fence, 'the fence of a hold: a whole number of at least 1');
    checkNames(options, ['grace']);
    const grace = parseDuration('grace', options.grace ?? 0);
    const backend = await this.#backend();
    return traceRevoke({ locker: this.name, key, fence, grace }, () => backend.revoke(name, fence, grace));
  }

  async #holdersOf(keys: readonly string[]): Promise<LockInfo['holders']> {
    const infos = await Promise.all(keys.map((key) => this.inspect(key)));
    return infos.flatMap((info) => info?.holders ?? []);
  }

  #backend(): Backend | Promise<Backend> {
    return this.#host.backend(this.settings.driver);
  }

  /** The defaults of a call that tries once, unless its options say for how long, or how often. */
  #trying(options: AcquireOptions | undefined): Settings {
    return options?.wait === undefined && options?.retry === undefined ? this.#tries : this.settings;
  }

  #obtain(
    keys: Keys,
    defaults: Settings,
    options: AcquireOptions | undefined,
    way: Way,
  ): Promise<HeldLease | null> {
    try {
      return this.#gather(keys, resolveCall(defaults, options), way);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #gather(named: Keys, settings: Settings, { renews, must }: Way): Promise<HeldLease | null> {
    const keys = checkKeys(named);
    const autoRenew = settings.autoRenew ?? renews;
    checkAtLeast(settings, autoRenew);
    warnOfShortTtl(settings.ttl, this.#host.clock);
    const gather = (own: Settings) =>
      new Gathering({ locker: this.name, named, keys, settings: own, autoRenew, must }, this.#host).run();
    if (!isTraced('acquire')) return gather(settings);
    const { mode, meta } = settings;
    const holders = () => this.#holdersOf(keys);
    return traceAcquire(this.name, { keys, mode, meta }, holders, (own) =>
      gather({ ...settings, meta: own }),
    );
  }
}

/** The defaults of a call that excludes everybody. @throws LockUsageError for options that let others in */
function alone(defaults: Settings, options: AcquireOptions | undefined): Settings {
  if (options?.limit !== undefined)
    throw new LockUsageError('limit', options.limit, 'left out: only one runs');
  if (options?.mode === 'read') throw new LockUsageError('mode', options.mode, "'write': only one runs");
  return { ...defaults, mode: 'write', limit: undefined };
}
