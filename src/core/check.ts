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

/**
 * Options are read by their own names: a getter of a class would be passed over. Methods do no harm.
 * @throws LockUsageError for what the options inherit, of `known` or of any name
 */
export function checkOwn(options: object, known?: readonly string[]): void {
  let from = Object.getPrototypeOf(options);
  for (; from && from !== Object.prototype; from = Object.getPrototypeOf(from)) {
    for (const [name, { get, value }] of Object.entries(Object.getOwnPropertyDescriptors(from))) {
      const given = get ?? (typeof value === 'function' ? undefined : value);
      // That of an object of another realm, as a test runner has them.
      const ofAll = name === '__proto__';
      if (given === undefined || ofAll || Object.hasOwn(options, name) || known?.includes(name) === false)
        continue;
      throw new LockUsageError(name, options, 'a property of the object itself, and not of its class');
    }
  }
}

/**
 * @throws LockUsageError for what is no object, for a name in it that is none of `known`, whatever its value, and for what
 * it inherits
 */
export function checkNames(options: object, known: readonly string[]): void {
  checkObject('options', options);
  checkOwn(options, known);
  for (const [name, value] of Object.entries(options)) {
    if (!known.includes(name)) throw unknownName(name, value, known);
  }
}

export function unknownName(name: string, value: unknown, known: readonly string[]): LockUsageError {
  const near = nearest(name, known);
  const which = near ? `did you mean \`${near}\`?` : `there are: ${known.join(', ')}`;
  return new LockUsageError(name, kindOf(value), `an option that is known (${which})`);
}

/**
 * Checks options whose names are known to the client of a backend alone. It would ignore a wrong one, and connect to the
 * default server.
 * @throws LockUsageError for a name of `instead`, which says what to write in its place, in any case, unless that is given
 * too and is the same; and for what is nearly one of `known`
 */
export function checkAddressNames(
  backend: string,
  options: object,
  known: readonly string[],
  instead: Readonly<Record<string, string>>,
): void {
  checkOwn(options);
  for (const [name, value] of Object.entries(options)) {
    if (known.includes(name)) continue;
    const key = name.toLowerCase();
    // Options may be made for several clients: beside the right name, the other one does no harm.
    const same = Object.entries(options).some(
      ([other, its]) => its === value && instead[key] === `\`${other}\``,
    );
    if (same) continue;
    if (Object.hasOwn(instead, key) && value !== undefined && value !== null)
      throw new LockUsageError(
        `${backend}.${name}`,
        kindOf(value),
        `left out, and ${instead[key]} in its place`,
      );
    if (nearest(name, known, 1) !== undefined) throw unknownName(name, value, known);
  }
}

/** What may be shown of a value that may have been meant for an address, and hold a password. */
export function kindOf(value: unknown): unknown {
  if (typeof value === 'string') return 'text';
  return typeof value === 'object' && value ? 'an object' : value;
}
