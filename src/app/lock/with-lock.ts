import { LockUsageError, show } from '../../core/errors.js';
import { type AcquireOptions, DEFAULTS, resolveOptions } from '../../lease/options.js';
import { lock } from './accessor.js';

export interface WithLockOptions extends AcquireOptions {
  /** The locker's name. Default `default`. */
  locker?: string | undefined;
}

// biome-ignore lint/suspicious/noExplicitAny: the arguments are those of whatever method is decorated
type KeyOf = (...args: any[]) => string;

// biome-ignore lint/suspicious/noExplicitAny: any method may be decorated
type Method = (this: any, ...args: any[]) => any;

/** A method decorator of either kind: with the compiler option `experimentalDecorators`, or without it. */
export type LockDecorator = MethodDecorator &
  (<M extends Method>(method: M, context: { kind: 'method' }) => M);

/**
 * Runs the method inside `lock.L().with(key, …)`: one at a time a key. The key is a function of the arguments, or a
 * template over them: `'order:{0.id}'` is the `id` of the first. The method returns a promise then, and
 * `currentLease()` gives the lease inside it; its name, its length and the metadata on it stay.
 *
 * A call rejects with LockUsageError when a part of its key is empty, null, undefined or no plain value; otherwise as
 * `Locker.with` does.
 * @throws LockUsageError at once for a wrong template or option, and for what is no method, or a generator: its body
 * would run while it is read, without the lock.
 */
export function WithLock(key: string | KeyOf, options: WithLockOptions = {}): LockDecorator {
  const { locker, ...acquireOptions } = options;
  resolveOptions(DEFAULTS, acquireOptions);
  const keyOf = typeof key === 'function' ? key : template(key);
  const locked = (original: Method): Method =>
    likeOriginal(original, async function (this: unknown, ...args: unknown[]): Promise<unknown> {
      return lock.L(locker).with(keyOf(...args), () => original.apply(this, args), acquireOptions);
    });
  const decorate = (target: unknown, member: unknown, descriptor?: PropertyDescriptor) => {
    const standard = typeof member === 'object' && member !== null;
    const name = standard ? (member as { name?: unknown }).name : member;
    const original = checkMethod(String(name), standard ? target : descriptor?.value);
    if (standard) return locked(original);
    descriptor!.value = locked(original);
  };
  return decorate as LockDecorator;
}

function checkMethod(name: string, method: unknown): Method {
  if (typeof method !== 'function') throw new LockUsageError(name, method, 'a method');
  if (/Generator/.test(Object.prototype.toString.call(method))) {
    throw new LockUsageError(name, method, 'a method that is no generator');
  }
  return method as Method;
}

/** `method`, with the name, the length, the properties and the metadata of `original`. */
function likeOriginal(original: Method, method: Method): Method {
  const { prototype: _, arguments: __, caller: ___, ...own } = Object.getOwnPropertyDescriptors(original);
  Object.defineProperties(method, own);
  for (const key of Reflect.getOwnMetadataKeys?.(original) ?? [])
    Reflect.defineMetadata(key, Reflect.getOwnMetadata(key, original), method);
  return method;
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
