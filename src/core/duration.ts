import { LockUsageError } from './errors.js';

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const LONGEST = 1e12;
const EXAMPLES = "text such as '250ms', '30s', '5m', '1h', '1d'";

/** Milliseconds, or text such as `'250ms'`, `'30s'`, `'5m'`, `'1h'`, `'1d'`; `'0'` needs no unit. */
export type Duration = number | `${number}${keyof typeof UNITS}` | '0';

/** A {@link Duration}, or `'forever'`. */
export type Wait = Duration | 'forever';

/**
 * A duration in ms. `option` names it in the error.
 * @throws LockUsageError for anything but a duration of `least` ms to 1e12 ms (31 years); `least` defaults to 0.
 */
export function parseDuration(option: string, value: unknown, least = 0): number {
  const ms = inRange(value, least);
  if (ms !== undefined) return ms;
  const range = least > 0 ? ` of at least ${least} ms` : '';
  throw new LockUsageError(option, value, `a duration${range}: milliseconds, or ${EXAMPLES}`);
}

/** As {@link parseDuration}, and `'forever'` is `Infinity`. */
export function parseWait(option: string, value: unknown): number {
  const ms = value === 'forever' ? Infinity : inRange(value, 0);
  if (ms !== undefined) return ms;
  throw new LockUsageError(option, value, `a duration: milliseconds, ${EXAMPLES}, or 'forever'`);
}

function inRange(value: unknown, least: number): number | undefined {
  const ms = typeof value === 'string' ? parseText(value.trim()) : value;
  return typeof ms === 'number' && ms >= least && ms <= LONGEST ? ms : undefined;
}

function parseText(text: string): number | undefined {
  if (text === '0') return 0;
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text);
  return match ? Number(match[1]) * UNITS[match[2] as keyof typeof UNITS] : undefined;
}
