import { LockUsageError } from './errors.js';

/** @throws LockUsageError for what is no text, or empty. */
export function checkText(option: string, value: unknown): string {
  if (typeof value !== 'string' || value === '')
    throw new LockUsageError(option, value, 'text that is not empty');
  return value;
}

/** @throws LockUsageError for what is no object. */
export function checkObject(option: string, value: unknown): void {
  if (typeof value !== 'object' || value === null) throw new LockUsageError(option, value, 'an object');
}

/** @throws LockUsageError for what cannot be called. */
export function checkFn(fn: unknown): void {
  if (typeof fn !== 'function') throw new LockUsageError('fn', fn, 'a function');
}
