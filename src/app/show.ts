import { withoutLogin } from '../text/without-login.js';

/** A value as it may stand in a message: short, on one line, without the passwords of an address, and never failing. */
export function show(value: unknown): string {
  if (typeof value === 'string') {
    const text = withoutLogin(value);
    return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
  }
  if (typeof value === 'function') return 'a function';
  if (value instanceof Date) return 'a date';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' && value !== null ? 'a table' : String(value);
}
