import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { transformSync } from '@swc/core';
import { injectable } from 'inversify';
import {
  createApp,
  currentLease,
  LockConfigError,
  type Locker,
  LockRegistry,
  LockUsageError,
  lock,
  lockProvider,
  WithLock,
} from '../src/index.js';
import { deferred, until } from './support/wait.js';

interface Order {
  id: string | number | null | undefined;
}

@injectable()
class Orders {
  running = 0;
  most = 0;

  @WithLock('order:{0.id}')
  async handle(order: Order, work: Promise<void> = Promise.resolve()): Promise<string> {
    this.most = Math.max(this.most, ++this.running);
    await work;
    this.running--;
    return `${order.id} under ${currentLease()?.key}`;
  }

  @WithLock((a: string, b: string) => `pair:${a}:${b}`, { locker: 'jobs', ttl: '5s' })
  async pair(_a: string, _b: string): Promise<string | undefined> {
    return currentLease()?.key;
  }

  @WithLock('all:{0}:{1.of.it}')
  async parts(_number: number, _nested: unknown): Promise<string | undefined> {
    return currentLease()?.key;
  }

  @WithLock('partner:{0.id}', { limit: 5 })
  async call(_partner: Order, work: Promise<void>): Promise<void> {
    this.most = Math.max(this.most, ++this.running);
    await work;
    this.running--;
  }

  @WithLock('fails')
  async fail(): Promise<void> {
    throw new Error('its own');
  }
}

const app = createApp({ env: {} }).install(lockProvider({ lockers: { jobs: {} } }));
beforeAll(() => app.start());
afterAll(() => app.stop());

describe('WithLock', () => {
  test('with a limit runs so many calls of a key at once', async () => {
    const orders = new Orders();
    const gate = deferred();
    const calls = Array.from({ length: 12 }, () => orders.call({ id: 7 }, gate.promise));
    await until(() => orders.running === 5);
    gate.resolve();
    await Promise.all(calls);
    expect(orders.most).toBe(5);
  });

  test('runs one call at a time a key, and calls of other keys beside it', async () => {
    const orders = new Orders();
    const gate = deferred();
    const same = [orders.handle({ id: 1 }, gate.promise), orders.handle({ id: 1 }, gate.promise)];
    const other = orders.handle({ id: 2 });
    expect(await other).toBe('2 under order:2');
    gate.resolve();
    expect(await Promise.all(same)).toEqual(['1 under order:1', '1 under order:1']);
    expect(orders.most).toBe(2);
  });

  test('works on what the container makes', async () => {
    app.container.bind(Orders).toSelf();
    expect(await app.get<Orders>(Orders).handle({ id: 'x' })).toBe('x under order:x');
  });

  test('the key may be a function of the arguments, the locker another', async () => {
    expect(await new Orders().pair('a', 'b')).toBe('pair:a:b');
  });

  test('a template reaches any argument, as deep as need be', async () => {
    expect(await new Orders().parts(7, { of: { it: true } })).toBe('all:7:true');
  });

  test.each([[null], [undefined], [''], [Number.NaN], [Infinity]])(
    'an empty part %p is an error and not a lock',
    async (id) => {
      const call = new Orders().handle({ id });
      await expect(call).rejects.toThrow(LockUsageError);
      await expect(call).rejects.toThrow('{0.id}');
    },
  );

  test('a part that is an object is an error', async () => {
    await expect(new Orders().parts(1, { of: { it: {} } })).rejects.toThrow(LockUsageError);
    await expect(new Orders().parts(1, null)).rejects.toThrow(LockUsageError);
  });

  test('what the method throws comes through, and the key is free', async () => {
    await expect(new Orders().fail()).rejects.toThrow('its own');
    expect(await lock.L().inspect('fails')).toBeNull();
  });

  test.each(['', 'order:{id}', 'order:{0', 'order:}', '{0..a}'])(
    'the template %p is refused at once',
    (template) => {
      expect(() => WithLock(template)).toThrow(LockUsageError);
    },
  );

  test('wrong options, keys and targets are refused at once', () => {
    expect(() => WithLock('k', { ttl: 0 })).toThrow(LockUsageError);
    expect(() => WithLock('k', { lockr: 'jobs' } as never)).toThrow('did you mean `locker`?');
    expect(() => WithLock('k', { prefix: 'x:' } as never)).toThrow(LockUsageError);
    expect(() => WithLock('k', null as never)).toThrow(LockUsageError);
    expect(() => WithLock(5 as never)).toThrow(LockUsageError);
    expect(() => WithLock('k')({}, 'field', {})).toThrow(LockUsageError);
  });

  test.each(['getter', 'setter', 'class', 'field', 'accessor'])(
    'a standard decorator refuses a %s at once',
    (kind) => {
      const decorated = kind === 'field' ? undefined : async () => {};
      expect(() => WithLock('k')(decorated as never, { kind, name: 'x' } as never)).toThrow(LockUsageError);
    },
  );

  test('generators are refused at once: their bodies would run without the lock', () => {
    const generators = {
      *plain() {},
      async *asynchronous() {},
    };
    for (const name of ['plain', 'asynchronous'] as const) {
      const descriptor = Object.getOwnPropertyDescriptor(generators, name)!;
      expect(() => WithLock('k')(generators, name, descriptor)).toThrow(LockUsageError);
      expect(() => WithLock('k')(generators, name, descriptor)).toThrow(
        `expected \`${name}\` to be a method`,
      );
      expect(() => WithLock('k')(generators[name] as never, { kind: 'method' })).toThrow(LockUsageError);
    }
  });

  test('a method keeps its name, its length, and what metadata and properties stand on it', async () => {
    const marked = (async (_a: string, _b: number) => currentLease()?.key) as unknown as {
      (): Promise<string>;
      mark?: string;
    };
    marked.mark = 'its own';
    Reflect.defineMetadata('on the function', 1, marked);
    const target = { marked };
    Reflect.defineMetadata('on the member', 2, target, 'marked');
    const descriptor = Object.getOwnPropertyDescriptor(target, 'marked')!;
    WithLock('k')(target, 'marked', descriptor);
    Object.defineProperty(target, 'marked', descriptor);
    expect(target.marked).not.toBe(marked);
    const { name, length, mark } = target.marked;
    expect({ name, length, mark }).toEqual({ name: 'marked', length: 2, mark: 'its own' });
    expect(Reflect.getMetadata('on the function', target.marked)).toBe(1);
    expect(Reflect.getMetadata('on the member', target, 'marked')).toBe(2);
    expect(await target.marked()).toBe('k');
  });

  test('works where nothing has loaded reflect-metadata', async () => {
    const { getOwnMetadataKeys } = Reflect;
    Object.assign(Reflect, { getOwnMetadataKeys: undefined });
    const target = { handle: async () => currentLease()?.key };
    const descriptor = Object.getOwnPropertyDescriptor(target, 'handle')!;
    try {
      WithLock('k')(target, 'handle', descriptor);
    } finally {
      Object.assign(Reflect, { getOwnMetadataKeys });
    }
    expect(await descriptor.value()).toBe('k');
  });

  test('works as a standard decorator, of methods and of static ones', async () => {
    const source = `class Orders {
      id = 7;
      @WithLock('order:{0}') async handle(id) { return [this.id, key(), id]; }
      @WithLock('all') static async all() { return key(); }
    }`;
    const { code } = transformSync(source, {
      swcrc: false,
      jsc: {
        target: 'es2022',
        parser: { syntax: 'ecmascript', decorators: true },
        transform: { decoratorVersion: '2022-03' },
      },
    });
    const Orders = new Function('WithLock', 'key', `${code}; return Orders;`)(
      WithLock,
      () => currentLease()?.key,
    );
    expect(await new Orders().handle(3)).toEqual([7, 'order:3', 3]);
    expect(await Orders.all()).toBe('all');
    expect([Orders.prototype.handle.name, Orders.prototype.handle.length]).toEqual(['handle', 1]);
  });

  test('takes a locker that is given, or that its object has, without an app', async () => {
    const [one, two] = [new LockRegistry().mustOf(), new LockRegistry().mustOf()];
    class Plain {
      constructor(readonly locker: unknown) {}
      @WithLock('given', { locker: one })
      async given(): Promise<boolean> {
        return (await one.inspect('given')) !== null;
      }
      @WithLock('own:{0}', { locker: (self: Plain) => self.locker as Locker })
      async own(id: number): Promise<boolean> {
        return (await two.inspect(`own:${id}`)) !== null;
      }
    }
    expect(await new Plain(two).given()).toBe(true);
    expect(await new Plain(two).own(7)).toBe(true);
    expect(await new Plain(one).own(7)).toBe(false);
    expect(await new Plain('jobs').own(7)).toBe(false);
    await expect(new Plain(undefined).own(7)).rejects.toThrow(
      'expected `locker` to be a function that gives a Locker, or the name of one, got undefined',
    );
  });

  test.each(['', 7, {}, null])('the locker %p is refused at once', (locker) => {
    expect(() => WithLock('k', { locker: locker as never })).toThrow(LockUsageError);
  });

  test('synchronous methods, and templates that name more arguments than there are, do not compile', () => {
    class Typed {
      // @ts-expect-error: a method that returns no promise
      @WithLock('k')
      plain(): number {
        return 1;
      }
      // @ts-expect-error: it has one argument
      @WithLock('k:{0}:{5.id}')
      async one(_a: string): Promise<void> {}
      @WithLock('k:{1}')
      async optional(_a: string, _b?: string): Promise<void> {}
      @WithLock('k:{5}')
      async rest(..._all: string[]): Promise<void> {}
      @WithLock((a: string) => a)
      async computed(_a: string): Promise<void> {}
    }
    expect(typeof new Typed().plain).toBe('function');
  });

  test('without a running app a call is a coded error', async () => {
    const lonely = createApp({ env: {} }).install(lockProvider);
    await lonely.start();
    await lonely.stop();
    class Plain {
      @WithLock('k', { locker: 'unheard-of' })
      async go(): Promise<void> {}
    }
    await expect(new Plain().go()).rejects.toThrow(LockConfigError);
  });

  test('currentLease() is undefined outside', () => {
    expect(currentLease()).toBeUndefined();
  });
});
