import { LockUsageError } from './errors.js';
import { nearest } from './nearest.js';

/** @throws LockUsageError for what is no text, or empty. */
export function checkText(option: string, value: unknown): string {
  if (typeof value !== 'string' || value === '')
    throw new LockUsageError(option, value, 'text that is not empty');
  return value;
}

/** @throws LockUsageError unless it is a whole number of at least 1, or `Infinity`. */
export function checkLimit(option: string, value: unknown): number {
  const ok = value === Infinity || (Number.isInteger(value) && (value as number) >= 1);
  if (!ok) throw new LockUsageError(option, value, 'a whole number of at least 1, or Infinity');
  return value as number;
}

/** @throws LockUsageError for an address where the name of a host or a socket belongs: messages show such names. */
export function checkNoUrl(option: string, value: unknown): void {
  if (typeof value === 'string' && value.includes('://'))
    throw new LockUsageError(option, value, 'a name, since an address belongs in `url`');
}

/** @throws LockUsageError for what is no object. */
export function checkObject(option: string, value: unknown): void {
  if (typeof value !== 'object' || value === null) throw new LockUsageError(option, value, 'an object');
}

/** @throws LockUsageError for what cannot be called. */
export function checkFn(fn: unknown): void {
  if (typeof fn !== 'function') throw new LockUsageError('fn', fn, 'a function');
}

/** @throws LockUsageError for what is no object, and for a name in it that is none of `known`, whatever its value. */
export function checkNames(options: object, known: readonly string[]): void {
  checkObject('options', options);
  for (const [name, value] of Object.entries(options)) {
    if (!known.includes(name)) throw unknownName(name, value, known);
  }
}

export function unknownName(name: string, value: unknown, known: readonly string[]): LockUsageError {
  const near = nearest(name, known);
  const which = near ? `did you mean \`${near}\`?` : `there are: ${known.join(', ')}`;
  // It may have been meant for an address, and hold a password.
  const got = typeof value === 'string' ? 'text' : typeof value === 'object' && value ? 'an object' : value;
  return new LockUsageError(name, got, `an option that is known (${which})`);
}
