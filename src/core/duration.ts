import { LockUsageError } from './errors.js';

/** Milliseconds, or a string such as `'250ms'`, `'30s'`, `'5m'`, `'1h'`; `'0'` needs no unit. */
export type Duration = number | string;

/** A {@link Duration}, or `'forever'`. */
export type Wait = Duration | 'forever';

const UNITS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
const LONGEST = 1e12;

/**
 * A duration in ms. `option` names it in the error.
 * @throws LockUsageError for anything but a duration of `least` ms to 1e12 ms (31 years); `least` defaults to 0.
 */
export function parseDuration(option: string, value: unknown, least = 0): number {
  const ms = typeof value === 'string' ? parseText(value) : value;
  if (typeof ms !== 'number' || !(ms >= least && ms <= LONGEST)) {
    const range = least > 0 ? ` of at least ${least} ms` : '';
    throw new LockUsageError(
      option,
      value,
      `a duration${range}: milliseconds, or text such as '250ms', '30s', '5m', '1h'`,
    );
  }
  return ms;
}

/** As {@link parseDuration}, and `'forever'` is `Infinity`. */
export function parseWait(option: string, value: unknown): number {
  return value === 'forever' ? Infinity : parseDuration(option, value);
}

function parseText(text: string): number {
  if (text.trim() === '0') return 0;
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text.trim());
  return match ? Number(match[1]) * UNITS[match[2]!]! : Number.NaN;
}
