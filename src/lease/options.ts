import { hostname } from 'node:os';
import { checkSignal } from '../core/abort.js';
import { checkObject, checkText } from '../core/check.js';
import { type Duration, parseDuration, parseWait, type Wait } from '../core/duration.js';
import { LockUsageError } from '../core/errors.js';
import { checkPrefix } from '../core/key.js';
import { checkRetry, type RetryStrategy } from '../core/retry.js';
import type { LockMode } from './driver.js';

export interface AcquireOptions {
  /** How long the lease lasts unless renewed; at least 1 ms. Default 30 s. */
  ttl?: Duration | undefined;
  /** How long to wait for it; 0 tries once, `'forever'` has no limit. Default 30 s, and 0 in `tryAcquire` and `tryWith`. */
  wait?: Wait | undefined;
  /** `'read'` shares the key with other readers. Default `'write'`. */
  mode?: LockMode | undefined;
  /** Renews the lease at a third of its ttl until it is released. Default true in `with` and `tryWith`, else false. */
  autoRenew?: boolean | undefined;
  /** The lease is lost when it was held this long, renewed or not; at least 1 ms. Default: no limit. */
  maxHold?: Duration | undefined;
  /** Between two tries, where a backend cannot notify; at least 1 ms. Default 100 ms. */
  retryInterval?: Duration | undefined;
  /** When to try, instead of waiting in line; when it ends, the key is not obtained. Replaces `retryInterval`. */
  retry?: RetryStrategy | undefined;
  /** Cancels the waiting; the call rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** What `inspect` shows about the holder, beside `host` and `pid`. */
  meta?: Record<string, string> | undefined;
}

export interface LockerOptions extends AcquireOptions {
  /** The name of a registered driver. Default `'memory'`. */
  driver?: string | undefined;
  /** Stands before every key. Default `'lock:'`. */
  prefix?: string | undefined;
}

/** {@link LockerOptions}, checked, with every default filled in; durations in ms. */
export interface Settings {
  readonly driver: string;
  readonly prefix: string;
  readonly ttl: number;
  readonly wait: number;
  readonly mode: LockMode;
  readonly autoRenew: boolean | undefined;
  readonly maxHold: number;
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
  autoRenew: undefined,
  maxHold: Infinity,
  retryInterval: 100,
  retry: undefined,
  signal: undefined,
  meta: { host: hostname(), pid: String(process.pid) },
};

const CHECKS: { [Name in keyof Settings]: (value: unknown) => Settings[Name] } = {
  driver: (value) => checkText('driver', value),
  prefix: checkPrefix,
  ttl: parseTtl,
  wait: (value) => parseWait('wait', value),
  mode: checkMode,
  autoRenew: checkAutoRenew,
  maxHold: (value) => parseDuration('maxHold', value, 1),
  retryInterval: (value) => parseDuration('retryInterval', value, 1),
  retry: (value) => {
    checkRetry('retry', value);
    return value;
  },
  signal: (value) => {
    checkSignal(value);
    return value;
  },
  meta: checkMeta,
};

/**
 * `options` over `base`; `undefined` means unset. Metadata adds up.
 * @throws LockUsageError naming the first option that is wrong.
 */
export function resolveOptions(base: Settings, options: LockerOptions | undefined): Settings {
  if (options === undefined) return base;
  checkObject('options', options);
  const settings: Record<string, unknown> = { ...base };
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined && Object.hasOwn(CHECKS, name))
      settings[name] = CHECKS[name as keyof Settings](value);
  }
  if (options.meta) settings.meta = { ...base.meta, ...options.meta };
  return settings as unknown as Settings;
}

/** A ttl in whole ms: backends count in them. */
export function parseTtl(value: unknown): number {
  return Math.ceil(parseDuration('ttl', value, 1));
}

function checkMode(value: unknown): LockMode {
  if (value !== 'write' && value !== 'read') throw new LockUsageError('mode', value, "'write' or 'read'");
  return value;
}

function checkAutoRenew(value: unknown): boolean {
  if (typeof value !== 'boolean') throw new LockUsageError('autoRenew', value, 'a boolean');
  return value;
}

function checkMeta(value: unknown): Readonly<Record<string, string>> {
  const plain = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!plain) throw new LockUsageError('meta', value, 'an object whose values are text');
  for (const [name, text] of Object.entries(value)) {
    if (typeof text !== 'string') throw new LockUsageError(`meta.${name}`, text, 'text');
  }
  return value as Record<string, string>;
}
