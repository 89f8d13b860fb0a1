import { checkNames } from './core/check.js';
import { LockUsageError, show } from './core/errors.js';
import { Locker } from './lease/locker.js';
import { type AcquireOptions, CALL_OPTIONS, DEFAULTS, resolveCall } from './lease/options.js';
import { lock } from './running.js';

export interface WithLockOptions extends AcquireOptions {
  /**
   * A locker, the name of a locker of the running app (see `lock.L`), or a function that returns one of these for the
   * object whose method is called: `(self) => self.locker`. Default `'default'`.
   */
  // biome-ignore lint/suspicious/noExplicitAny: it is whatever object has the method
  locker?: string | Locker | ((self: any) => string | Locker) | undefined;
}

// biome-ignore lint/suspicious/noExplicitAny: the arguments are those of whatever method is decorated
type KeyOf = (...args: any[]) => string;

// biome-ignore lint/suspicious/noExplicitAny: any method may be decorated
type Method = (this: any, ...args: any[]) => any;

// biome-ignore lint/suspicious/noExplicitAny: any method that returns a promise may be decorated
type AsyncMethod = (this: any, ...args: any[]) => Promise<any>;

/** What a standard decorator is told of what it decorates. */
interface Context {
  name?: unknown;
  kind?: unknown;
}

/** The arguments that a template names: `'0' | '2'` of `'{0.id}:{2}'`. */
type Named<Key> = Key extends `${string}{${infer Part}}${infer Rest}`
  ? (Part extends `${infer Index}.${string}` ? Index : Part) | Named<Rest>
  : never;

/** `Yes` if the arguments have all that the key names. */
type IfNamed<Key, Args extends unknown[], Yes> = number extends Args['length']
  ? Yes
  : [Exclude<Named<Key>, keyof Args>] extends [never]
    ? Yes
    : { 'the key names an argument that the method does not have': Exclude<Named<Key>, keyof Args> };

/**
 * A decorator of methods that return a promise, of either kind: with the compiler option `experimentalDecorators`, or
 * without it. A template that names an argument the method does not have is an error when compiling.
 */
export interface LockDecorator<Key = string> {
  <M extends AsyncMethod>(
    target: object,
    member: string | symbol,
    descriptor: TypedPropertyDescriptor<M>,
  ): IfNamed<Key, Parameters<M>, void>;
  <M extends AsyncMethod>(method: M, context: { kind: 'method' }): IfNamed<Key, Parameters<M>, M>;
}

/**
 * Runs the method inside `locker.with(key, …)`, so that one call at a time runs for each key. The key is a function of
 * the arguments, or a template: `'order:{0.id}'` contains the `id` of the first argument. Inside the method,
 * `currentLease()` gives the lease. The method keeps its name, its length and its metadata. If the locker is given, no
 * app is needed.
 *
 * A call rejects with LockUsageError when a part of its key is empty, null, undefined, NaN or not a plain value, or when the
 * function given as `locker` returns none. It rejects with LockConfigError when `locker` is a name and no app runs.
 * Otherwise it rejects as `Locker.with` does.
 * @throws LockUsageError at once for a wrong template or option, and when it decorates a generator or anything that is
 * not a method. The body of a generator would run later, without the lock.
 */
export function WithLock<const Key extends string | KeyOf>(
  key: Key,
  options: WithLockOptions = {},
): LockDecorator<Key> {
  checkNames(options, [...CALL_OPTIONS, 'locker']);
  const { locker, ...acquireOptions } = options;
  resolveCall(DEFAULTS, acquireOptions);
  const lockerOf = checkLocker(locker);
  const keyOf: KeyOf = typeof key === 'function' ? (key as KeyOf) : template(key);
  const locked = (original: Method): Method =>
    likeOriginal(original, async function (this: unknown, ...args: unknown[]): Promise<unknown> {
      return lockerOf(this).with(keyOf(...args), () => original.apply(this, args), acquireOptions);
    });
  const decorate = (target: unknown, member: unknown, descriptor?: PropertyDescriptor) => {
    const standard = typeof member === 'object' && member !== null;
    const { name, kind } = standard ? (member as Context) : { name: member, kind: 'method' };
    const value = standard ? target : descriptor?.value;
    // A getter, a setter or a class is a function too.
    const original = checkMethod(String(name), kind === 'method' ? value : kind);
    if (standard) return locked(original);
    descriptor!.value = locked(original);
  };
  return decorate as LockDecorator<Key>;
}

const LOCKER = 'a Locker, the name of one, or a function that gives one';

function checkLocker(locker: unknown): (self: unknown) => Locker {
  if (typeof locker === 'function') {
    return (self) => {
      const given: unknown = locker(self);
      if (given instanceof Locker) return given;
      if (typeof given === 'string' && given !== '') return lock.L(given);
      throw new LockUsageError('locker', given, 'a function that gives a Locker, or the name of one');
    };
  }
  if (locker instanceof Locker) return () => locker;
  if (locker === undefined || (typeof locker === 'string' && locker !== '')) return () => lock.L(locker);
  throw new LockUsageError('locker', locker, LOCKER);
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
  // There where the program has loaded reflect-metadata.
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
  const plain = Number.isFinite(value) || ['string', 'bigint', 'boolean'].includes(typeof value);
  if (!plain || value === '')
    throw new LockUsageError('key', value, `a plain value for ${part} in ${show(text)}`);
  return String(value);
}
