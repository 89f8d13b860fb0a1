import { checkSignal } from '../core/abort.js';
import { LockUsageError } from '../core/errors.js';
import { checkRetry, type RetryStrategy } from '../core/retry.js';
import type { LockMode } from './driver.js';

/** Bytes of JSON of all metadata of a lease together. */
export const MAX_META_BYTES = 4_096;

export function checkMode(value: unknown): LockMode {
  if (value !== 'write' && value !== 'read') throw new LockUsageError('mode', value, "'write' or 'read'");
  return value;
}

/** Without a limit is `mode: 'read'`, and not `Infinity`, which no configuration and no JSON can hold. */
export function checkLimit(value: unknown): number {
  const ok = Number.isSafeInteger(value) && (value as number) >= 1;
  if (!ok) throw new LockUsageError('limit', value, 'a whole number of at least 1');
  return value as number;
}

export function checkAutoRenew(value: unknown): boolean {
  if (typeof value !== 'boolean') throw new LockUsageError('autoRenew', value, 'a boolean');
  return value;
}

export function checkRenewIn(value: unknown): 'main' | 'thread' {
  if (value !== 'main' && value !== 'thread')
    throw new LockUsageError('renewIn', value, "'main' or 'thread'");
  return value;
}

export function checkStrategy(value: unknown): RetryStrategy {
  checkRetry('retry', value);
  return value;
}

export function checkUserSignal(value: unknown): AbortSignal | undefined {
  checkSignal(value);
  return value;
}

export function checkMeta(value: unknown): Readonly<Record<string, string>> {
  const plain = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!plain) throw new LockUsageError('meta', value, 'an object whose values are text');
  for (const [name, text] of Object.entries(value)) {
    if (typeof text !== 'string') throw new LockUsageError(`meta.${name}`, text, 'text');
  }
  return value as Record<string, string>;
}

/** Bytes of JSON. */
export function metaSize(meta: Readonly<Record<string, string>>): number {
  return Buffer.byteLength(JSON.stringify(meta));
}

/** @throws LockUsageError for more metadata than every backend must take. */
export function checkMetaSize(meta: Readonly<Record<string, string>>): void {
  const bytes = metaSize(meta);
  if (bytes > MAX_META_BYTES)
    throw new LockUsageError('meta', meta, `at most ${MAX_META_BYTES} bytes of JSON, which has ${bytes}`);
}
