import { LockUsageError } from '../../src/core/errors.js';

/** The LockUsageError that `fn` throws. */
export function usageOf(fn: () => unknown): LockUsageError {
  try {
    fn();
  } catch (error) {
    if (error instanceof LockUsageError) return error;
    throw error;
  }
  throw new Error('expected a LockUsageError');
}
