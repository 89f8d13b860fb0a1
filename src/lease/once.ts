import { checkNames } from '../core/check.js';
import { type Duration, parseDuration } from '../core/duration.js';
import { LockBackendError, LockUsageError } from '../core/errors.js';
import { checkKey } from '../core/key.js';
import type { LockInfo } from './driver.js';
import type { HeldLease } from './held-lease.js';
import { runHolding } from './holding.js';
import { type AcquireOptions, CALL_OPTIONS } from './options.js';
import type { Work } from './with.js';

const DAY = 86_400_000;

export interface OnceOptions extends AcquireOptions {
  /** How long the slot stays done; at least 1 ms. Default 24 h. */
  keep?: Duration | undefined;
  /** When `fn` throws, the slot is free for others (`'free'`), or done (`'keep'`). Default `'free'`. */
  onError?: 'free' | 'keep' | undefined;
}

/**
 * `by` is the metadata of the present holder, and `at` is the time since when it runs, in ms since 1970, if the backend
 * knows them.
 */
export type OnceResult<T> =
  | { ran: true; value: T }
  | { ran: false; by?: Record<string, string>; at?: number };

/** What becomes of the slot. */
export interface Mark {
  /** ms. */
  readonly keep: number;
  readonly onError: 'free' | 'keep';
}

/** @throws LockUsageError */
export function parseOnce(options: OnceOptions | undefined): {
  mark: Mark;
  call: AcquireOptions | undefined;
} {
  if (options === undefined) return { mark: { keep: DAY, onError: 'free' }, call: undefined };
  checkNames(options, [...CALL_OPTIONS, 'keep', 'onError']);
  const { keep = DAY, onError = 'free', ...call } = options;
  if (onError !== 'free' && onError !== 'keep')
    throw new LockUsageError('onError', onError, "'free' or 'keep'");
  return { mark: { keep: parseDuration('keep', keep, 1), onError }, call };
}

/**
 * `<key>@<slot>`: a Date as its ISO text in UTC, a number as decimal. In the key itself `@` and `%` are escaped, so that
 * no two pairs give the same.
 * @throws LockUsageError
 */
export function slotKey(key: string, slot: string | number | Date): string {
  return checkKey(`${checkKey(key).replace(/[%@]/g, encodeURIComponent)}@${showSlot(slot)}`);
}

/**
 * Runs `fn` under the lease of a slot. When it has run, the key rests, and so the slot is done. A process that dies
 * leaves the slot to others at the end of its ttl.
 */
export async function runOnce<T>(lease: HeldLease, fn: Work<T>, takenAt: object, mark: Mark): Promise<T> {
  lease.keepAlive(true);
  try {
    const value = await runHolding(lease, takenAt, fn);
    lease.restFor(mark.keep);
    await lease.release().catch((cause: unknown) => {
      const why = 'it has run, but the slot could not be marked: it may run again when its ttl is over';
      throw new LockBackendError(why, { key: lease.key, cause });
    });
    await lease.finish();
    return value;
  } catch (error) {
    if (mark.onError === 'keep') lease.restFor(mark.keep);
    await lease[Symbol.asyncDispose]();
    throw error;
  } finally {
    lease.keepAlive(false);
  }
}

/** Who runs the slot, as far as the backend knows. */
export function runnerOf(info: LockInfo | null): { by?: Record<string, string>; at?: number } {
  const holder = info?.holders[0];
  return holder ? { by: holder.meta, at: holder.since } : {};
}

function showSlot(slot: unknown): string {
  if (typeof slot === 'string' && slot !== '') return slot;
  if (Number.isFinite(slot)) return String(slot);
  if (slot instanceof Date && !Number.isNaN(slot.getTime())) return slot.toISOString();
  throw new LockUsageError('slot', slot, 'text that is not empty, a finite number, or a valid Date');
}
