import { checkFn, checkNames } from '../core/check.js';
import { type Duration, parseDuration } from '../core/duration.js';
import { LockUsageError } from '../core/errors.js';
import { checkKey, checkKeys, keyOfName, lockName, nameStart } from '../core/key.js';
import { within } from '../core/within.js';
import type { Backend } from './backend.js';
import { traceAcquire, traceRevoke, tracings } from './diagnostics.js';
import type { LockInfo } from './driver.js';
import { type Call, Gathering } from './gathering.js';
import type { HeldLease } from './held-lease.js';
import { callSite } from './holding.js';
import type { LockerHost } from './host.js';
import { lead } from './lead.js';
import type { Lease } from './lease.js';
import { Lock } from './lock.js';
import { type Keys, type ListOptions, Locker, type TryWithResult } from './locker.js';
import { type OnceOptions, type OnceResult, parseOnce, runnerOf, runOnce, slotKey } from './once.js';
import { type AcquireOptions, CALL_OPTIONS, checkAtLeast, resolveCall, type Settings } from './options.js';
import { warnOfShortTtl } from './short-ttl.js';
import { runUnder, type Work } from './with.js';

/** What a method does unless its options say otherwise. `must`: it is an error not to obtain the lease. */
interface Method {
  readonly renews: boolean;
  readonly must: boolean;
}

const ACQUIRE: Method = { renews: false, must: true };
const TRY_ACQUIRE: Method = { renews: false, must: false };
const WITH: Method = { renews: true, must: true };
const TRY_WITH: Method = { renews: true, must: false };

/** The locker of a registry: leases from whatever driver its settings name. */
export class LeaseLocker extends Locker {
  readonly #host: LockerHost;
  /** Of those calls that try once unless told otherwise. */
  readonly #tries: Settings;
  /** The calls without options: checked once. */
  readonly #usual = new Map<Method, Call>();
  /** Undefined until it has been made. */
  #backend: Backend | undefined;

  constructor(
    readonly name: string,
    readonly settings: Settings,
    host: LockerHost,
  ) {
    super();
    this.#host = { ...host, backend: (driver) => this.#backend ?? this.#make(driver, host) };
    this.#tries = { ...settings, wait: 0 };
  }

  tryAcquire(keys: Keys, options?: AcquireOptions): Promise<Lease | null> {
    return this.#obtain(keys, TRY_ACQUIRE, options);
  }

  acquire(keys: Keys, options?: AcquireOptions): Promise<Lease> {
    return this.#obtain(keys, ACQUIRE, options) as Promise<Lease>;
  }

  async with<T>(keys: Keys, fn: Work<T>, options?: AcquireOptions): Promise<T> {
    checkFn(fn);
    const takenAt = callSite(this.with);
    const lease = await this.#obtain(keys, WITH, options);
    return runUnder(lease!, fn, takenAt);
  }

  async tryWith<T>(keys: Keys, fn: Work<T>, options?: AcquireOptions): Promise<TryWithResult<T>> {
    checkFn(fn);
    const takenAt = callSite(this.tryWith);
    const lease = await this.#obtain(keys, TRY_WITH, options);
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
    const lease = await this.#gather(name, this.#resolve(alone(this.#trying(call), call), call, TRY_WITH));
    if (lease) return { ran: true, value: await runOnce(lease, fn, takenAt, mark) };
    // That it cannot be told who runs it is no failure.
    return { ran: false, ...runnerOf(await this.inspect(name).catch(() => null)) };
  }

  async lead<T>(key: string, fn: Work<T>, options?: AcquireOptions): Promise<T> {
    checkFn(fn);
    checkKey(key);
    const takenAt = callSite(this.lead);
    const call = this.#resolve(alone({ ...this.settings, wait: Infinity }, options), options, WITH);
    const obtain = (settings: Settings) => this.#gather(key, { ...call, settings }) as Promise<HeldLease>;
    return lead({ ...call, key, fn, takenAt, host: this.#host, obtain });
  }

  New(key: string, ttl?: Duration, options?: AcquireOptions): Lock {
    checkKey(key);
    if (options !== undefined) checkNames(options, CALL_OPTIONS);
    const all = { ...options, ...(ttl !== undefined && { ttl }) };
    const settings = resolveCall(this.settings, all);
    checkAtLeast(settings, settings.autoRenew ?? false);
    return new Lock(this, key, all);
  }

  async inspect(key: string): Promise<LockInfo | null> {
    const name = lockName(this.settings.prefix, checkKey(key));
    const backend = await this.#made();
    const info = await backend.inspect(name);
    return info && { ...info, key };
  }

  async *list(options: ListOptions = {}): AsyncGenerator<LockInfo, void, void> {
    checkNames(options, ['prefix', 'onProgress']);
    const { prefix: start = '', onProgress } = options;
    if (onProgress !== undefined && typeof onProgress !== 'function')
      throw new LockUsageError('onProgress', onProgress, 'a function');
    if (typeof start !== 'string') throw new LockUsageError('prefix', start, 'text');
    const { prefix } = this.settings;
    const backend = await this.#made();
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
    const backend = await this.#made();
    return traceRevoke({ locker: this.name, key, fence, grace }, () => backend.revoke(name, fence, grace));
  }

  async #holdersOf(keys: readonly string[]): Promise<LockInfo['holders']> {
    const infos = await Promise.all(keys.map((key) => this.inspect(key)));
    return infos.flatMap((info) => info?.holders ?? []);
  }

  /** As soon as it is made; but nobody waits for that once the registry closes. */
  async #made(): Promise<Backend> {
    const { backend, clock, closing } = this.#host;
    const made = backend(this.settings.driver);
    return made instanceof Promise ? (await within(made, Infinity, clock, closing))! : made;
  }

  #make(driver: string, host: LockerHost): Backend | Promise<Backend> {
    const backend = host.backend(driver);
    if (!(backend instanceof Promise)) this.#backend = backend;
    return backend;
  }

  /** The defaults of a call that tries once, unless its options say how often. */
  #trying(options: AcquireOptions | undefined): Settings {
    return options?.retry === undefined ? this.#tries : this.settings;
  }

  #obtain(keys: Keys, method: Method, options: AcquireOptions | undefined): Promise<HeldLease | null> {
    try {
      return this.#gather(keys, this.#callOf(method, options));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #callOf(method: Method, options: AcquireOptions | undefined): Call {
    const usual = options === undefined ? this.#usual.get(method) : undefined;
    if (usual) return usual;
    const call = this.#resolve(method.must ? this.settings : this.#trying(options), options, method);
    if (options === undefined) this.#usual.set(method, call);
    return call;
  }

  #resolve(defaults: Settings, options: AcquireOptions | undefined, { renews, must }: Method): Call {
    const settings = resolveCall(defaults, options);
    const autoRenew = settings.autoRenew ?? renews;
    checkAtLeast(settings, autoRenew);
    warnOfShortTtl(settings.ttl, this.#host.clock);
    return { locker: this.name, settings, autoRenew, must };
  }

  #gather(named: Keys, call: Call): Promise<HeldLease | null> {
    const keys = checkKeys(named);
    if (!tracings.acquire.hasSubscribers) return new Gathering(named, keys, call, this.#host).run();
    const { settings } = call;
    const { mode, meta } = settings;
    const holders = () => this.#holdersOf(keys);
    return traceAcquire(this.name, { keys, mode, meta }, holders, (own) => {
      const traced = { ...call, settings: { ...settings, meta: own } };
      return new Gathering(named, keys, traced, this.#host).run();
    });
  }
}

/** The defaults of a call that excludes everybody. @throws LockUsageError for options that let others in */
function alone(defaults: Settings, options: AcquireOptions | undefined): Settings {
  if (options?.limit !== undefined)
    throw new LockUsageError('limit', options.limit, 'left out: only one runs');
  if (options?.mode === 'read') throw new LockUsageError('mode', options.mode, "'write': only one runs");
  return { ...defaults, mode: 'write', limit: undefined };
}
