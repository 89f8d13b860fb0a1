import { LockUsageError, show } from '../../core/errors.js';
import { type AcquireOptions, DEFAULTS, resolveOptions } from '../../lease/options.js';
import { lock } from './accessor.js';

export interface WithLockOptions extends AcquireOptions {
  /** The locker's name. Default `default`. */
  locker?: string | undefined;
}

// biome-ignore lint/suspicious/noExplicitAny: the arguments are those of whatever method is decorated
type KeyOf = (...args: any[]) => string;

/**
 * Runs the method inside `lock.L().with(key, …)`: one at a time a key. The key is a function of the arguments, or a
 * template over them: `'order:{0.id}'` is the `id` of the first. The method returns a promise then, and
 * `currentLease()` gives the lease inside it.
 *
 * A call rejects with LockUsageError when a part of its key is empty, null, undefined or no plain value; otherwise as
 * `Locker.with` does.
 * @throws LockUsageError at once for a wrong template or option.
 */
export function WithLock(key: string | KeyOf, options: WithLockOptions = {}): MethodDecorator {
  const { locker, ...acquireOptions } = options;
  resolveOptions(DEFAULTS, acquireOptions);
  const keyOf = typeof key === 'function' ? key : template(key);
  return (_target, method, descriptor: PropertyDescriptor) => {
    const original: unknown = descriptor.value;
    if (typeof original !== 'function') throw new LockUsageError(String(method), original, 'a method');
    descriptor.value = async function (this: unknown, ...args: unknown[]): Promise<unknown> {
      return lock.L(locker).with(keyOf(...args), () => original.apply(this, args), acquireOptions);
    };
  };
}

/** Makes `order:{0.id}` a function of the arguments. */
function template(text: unknown): KeyOf {
  const ok = typeof text === 'string' && text !== '' && !/[{}]/.test(text.replace(PART, ''));
  if (!ok) throw new LockUsageError('key', text, "a function, or a template such as 'order:{0.id}'");
  return (...args) => text.replace(PART, (part, path: string) => readPart(text, part, path, args));
}

const PART = /\{(\d+(?:\.[\w$]+)*)\}/g;

function readPart(text: string, part: string, path: string, args: unknown[]): string {
  const value = path
    .split('.')
    .reduce<unknown>((at, name) => (at as Record<string, unknown> | null)?.[name], args);
  const plain = ['string', 'number', 'bigint', 'boolean'].includes(typeof value) && value !== '';
  if (!plain) throw new LockUsageError('key', value, `a plain value for ${part} in ${show(text)}`);
  return String(value);
}
