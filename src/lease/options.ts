import { hostname } from 'node:os';
import { checkObject, checkOwn, checkText, unknownName } from '../core/check.js';
import { type Duration, parseDuration, parseWait, type Wait } from '../core/duration.js';
import { LockUsageError } from '../core/errors.js';
import { checkPrefix } from '../core/key.js';
import type { RetryStrategy } from '../core/retry.js';
import type { LockMode } from './driver.js';
import {
  checkAutoRenew,
  checkLimit,
  checkMeta,
  checkMetaSize,
  checkMode,
  checkRenewIn,
  checkStrategy,
  checkUserSignal,
} from './option-checks.js';

/**
 * The options of a lease. Each can be given to one call, to a locker as its default, or to all lockers.
 * @example
 * await locker.with('order:7', pay, { ttl: '10s', wait: '2s', signal: request.signal });
 */
export interface AcquireOptions {
  /** How long the lease lasts unless it is renewed; at least 1 ms. Default 30 s. */
  ttl?: Duration | undefined;
  /** How long to wait for the lease; 0 tries once, `'forever'` has no limit. Default 30 s; 0 in `tryAcquire` and `tryWith`. */
  wait?: Wait | undefined;
  /** `'read'` shares the key with other readers. Default `'write'`. */
  mode?: LockMode | undefined;
  /**
   * Makes the key a semaphore: the caller shares the key as a reader does, and enters while fewer than this many hold it.
   * At least 1. Each caller has its own limit. Callers enter in the order of asking. It cannot be combined with
   * `mode: 'write'`. Default: no limit.
   */
  limit?: number | undefined;
  /**
   * A released key rests until this time after its grant is over: it stays taken as if it were held. The idea is that of
   * ShedLock's lockAtLeastFor. Each of several keys rests. After a reader, the key stays closed to writers, and a permit of
   * a `limit` stays used. If the lease is revoked, or its holder dies, the key is free when the time of the lease is over. So
   * `atLeast` can be longer than `ttl` only with `autoRenew`. If the lease is lost in another way, the key may rest or be
   * free. Default 0: the key is free at once.
   */
  atLeast?: Duration | undefined;
  /** Renews the lease at a third of its ttl until it is released. Default true in `with` and `tryWith`, else false. */
  autoRenew?: boolean | undefined;
  /** The lease is lost when it was held for this time, renewed or not; at least 1 ms. Default: no limit. */
  maxHold?: Duration | undefined;
  /**
   * `'thread'` renews in a worker thread over its own connection, also while the event loop is blocked. It needs
   * `autoRenew` and a driver that supports it: Redis and PostgreSQL do. Otherwise it is the same as `'main'`. The first such
   * lease waits until the thread has started, for half of its `wait` at most. If the thread fails, the main thread renews,
   * and there is one process warning, `LATCHKEY_THREAD`. Default `'main'`.
   */
  renewIn?: 'main' | 'thread' | undefined;
  /**
   * With `renewIn: 'thread'`, the lease is lost with the reason `blocked` when the event loop is blocked for this time; at
   * least 1 ms. A heart-beat measures it: ten in this time, and at least four a second. Default 1 min.
   */
  maxBlock?: Duration | undefined;
  /** The time between two tries, if a backend cannot notify; at least 1 ms. Default 100 ms. */
  retryInterval?: Duration | undefined;
  /** When to try, instead of waiting in the queue. When it ends, the key is not obtained. Replaces `retryInterval`. */
  retry?: RetryStrategy | undefined;
  /** Cancels the wait; the call rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** What `inspect` shows about the holder, beside `host` and `pid`; all together at most 4,096 bytes as JSON. */
  meta?: Record<string, string> | undefined;
}

export interface LockerOptions extends AcquireOptions {
  /** The name of a registered driver. Default `'memory'`. */
  driver?: string | undefined;
  /** Is put before every key. Default `'lock:'`. */
  prefix?: string | undefined;
}

/** {@link LockerOptions}, checked, with every default filled in; durations in ms. */
export interface Settings {
  readonly driver: string;
  readonly prefix: string;
  readonly ttl: number;
  readonly wait: number;
  readonly mode: LockMode;
  readonly limit: number | undefined;
  readonly atLeast: number;
  readonly autoRenew: boolean | undefined;
  readonly maxHold: number;
  readonly renewIn: 'main' | 'thread';
  readonly maxBlock: number;
  readonly retryInterval: number;
  readonly retry: RetryStrategy | undefined;
  readonly signal: AbortSignal | undefined;
  readonly meta: Readonly<Record<string, string>>;
}

export const DEFAULTS: Settings = {
  driver: 'memory',
  prefix: 'lock:',
  ttl: 30_000,
  wait: 30_000,
  mode: 'write',
  limit: undefined,
  atLeast: 0,
  autoRenew: undefined,
  maxHold: Infinity,
  renewIn: 'main',
  maxBlock: 60_000,
  retryInterval: 100,
  retry: undefined,
  signal: undefined,
  meta: { host: hostname(), pid: String(process.pid) },
};

type Checks<Name extends keyof Settings> = { [N in Name]: (value: unknown) => Settings[N] };

const OF_ACQUIRE: Checks<Exclude<keyof Settings, 'driver' | 'prefix'>> = {
  ttl: parseTtl,
  wait: (value) => parseWait('wait', value),
  mode: checkMode,
  limit: checkLimit,
  atLeast: (value) => parseDuration('atLeast', value),
  autoRenew: checkAutoRenew,
  maxHold: (value) => parseDuration('maxHold', value, 1),
  renewIn: checkRenewIn,
  maxBlock: (value) => parseDuration('maxBlock', value, 1),
  retryInterval: (value) => parseDuration('retryInterval', value, 1),
  retry: checkStrategy,
  signal: checkUserSignal,
  meta: checkMeta,
};

/** The names of the options of one call. */
export const CALL_OPTIONS: readonly string[] = Object.keys(OF_ACQUIRE);

const OF_LOCKER: Checks<keyof Settings> = {
  driver: (value) => checkText('driver', value),
  prefix: checkPrefix,
  ...OF_ACQUIRE,
};

/** The names of the options of a locker. */
export const LOCKER_OPTIONS: readonly string[] = Object.keys(OF_LOCKER);

/**
 * `options` over `base`; `undefined` means unset. Metadata adds up.
 * @throws LockUsageError naming the first option that is wrong, or unknown.
 */
export function resolveOptions(base: Settings, options: LockerOptions | undefined): Settings {
  return resolve(base, options, OF_LOCKER);
}

/** As {@link resolveOptions}, of one call. */
export function resolveCall(base: Settings, options: AcquireOptions | undefined): Settings {
  return resolve(base, options, OF_ACQUIRE);
}

/** A ttl in whole ms: backends count in them. */
export function parseTtl(value: unknown): number {
  return Math.ceil(parseDuration('ttl', value, 1));
}

/** @throws LockUsageError where a lease that is not renewed is over before its key may be free. */
export function checkAtLeast({ atLeast, ttl }: Settings, autoRenew: boolean): void {
  if (atLeast <= ttl || autoRenew) return;
  throw new LockUsageError('atLeast', atLeast, `at most \`ttl\` (${ttl} ms), or \`autoRenew\` to be true`);
}

function resolve(
  base: Settings,
  options: LockerOptions | undefined,
  checks: Partial<Checks<keyof Settings>>,
): Settings {
  if (options === undefined) return base;
  checkObject('options', options);
  checkOwn(options, LOCKER_OPTIONS);
  const settings: Record<string, unknown> = { ...base };
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(checks, name)) throw unknownName(name, value, Object.keys(checks));
    if (value !== undefined) settings[name] = checks[name as keyof Settings]!(value);
  }
  const { limit, mode, meta } = options;
  if (limit !== undefined) {
    if (mode === 'write') throw new LockUsageError('limit', limit, "left out with `mode` 'write'");
    settings.mode = 'read';
  } else if (mode === 'write') settings.limit = undefined;
  if (meta !== undefined) {
    settings.meta = { ...base.meta, ...meta };
    checkMetaSize(settings.meta as Record<string, string>);
  }
  return settings as unknown as Settings;
}
