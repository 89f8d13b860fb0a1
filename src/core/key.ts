import { LockUsageError } from './errors.js';

/** UTF-8 bytes of the longest key. */
export const MAX_KEY_BYTES = 2_048;

/**
 * The full name of a lock: `<prefix>{<key>}`. The braces are a hash tag of Redis Cluster, so that everything stored for
 * one lock is in one slot. They also separate the prefix from the key. Braces in the key itself are escaped.
 */
export function lockName(prefix: string, key: string): string {
  const escaped = /[%{}]/.test(key) ? key.replace(/[%{}]/g, encodeURIComponent) : key;
  return `${prefix}{${escaped}}`;
}

/** The key that {@link lockName} made `name` of. */
export function keyOfName(prefix: string, name: string): string {
  return name.slice(prefix.length + 1, -1).replace(/%(25|7B|7D)/g, decodeURIComponent);
}

/** How the {@link lockName} of every key begins that begins with `start`. */
export function nameStart(prefix: string, start: string): string {
  return lockName(prefix, start).slice(0, -1);
}

/**
 * The keys, sorted, each once.
 * @throws LockUsageError for none, or for one that is no text of 1 to 2,048 bytes.
 */
export function checkKeys(keys: unknown): readonly string[] {
  if (!Array.isArray(keys)) return [checkKey(keys)];
  if (keys.length === 0) throw new LockUsageError('key', keys, 'a key, or an array of at least one');
  return [...new Set(keys.map(checkKey))].sort();
}

/** @throws LockUsageError for what is no text of 1 to 2,048 bytes. */
export function checkKey(key: unknown): string {
  const ok = typeof key === 'string' && key !== '' && wellFormed(key) && fits(key);
  if (!ok) throw new LockUsageError('key', key, `well-formed text of 1 to ${MAX_KEY_BYTES} bytes`);
  return key;
}

const fits = (text: string) => Buffer.byteLength(text) <= MAX_KEY_BYTES;

// A lone surrogate turns into U+FFFD on its way to a server: two keys would become one.
const wellFormed = (text: string) => !/\p{Surrogate}/u.test(text);

/** @throws LockUsageError for a prefix with braces, which would move the hash tag, or one that is no text. */
export function checkPrefix(prefix: unknown): string {
  const ok = typeof prefix === 'string' && !/[{}]/.test(prefix) && wellFormed(prefix) && fits(prefix);
  if (!ok)
    throw new LockUsageError('prefix', prefix, `text of at most ${MAX_KEY_BYTES} bytes without braces`);
  return prefix;
}
