import { LockBackendError } from '../../src/core/errors.js';
import { lockName } from '../../src/core/key.js';
import { memoryDriver } from '../../src/drivers/memory.js';
import type { Grant, LockDriver } from '../../src/lease/driver.js';
import type { Lease } from '../../src/lease/lease.js';
import { LockRegistry } from '../../src/registry.js';
import { FakeClock } from '../../src/testing/fake-clock.js';

interface Call {
  readonly what: string;
  readonly key: string;
  readonly ttl?: number;
  readonly wait?: number;
  readonly patience?: number | undefined;
  readonly fence?: number;
  readonly keepFor?: number | undefined;
}

/** Locks on a clock of their own, with a driver that can be told to misbehave. */
export class Bed {
  readonly clock = new FakeClock();
  readonly memory = memoryDriver({ clock: this.clock });
  readonly registry = new LockRegistry({ clock: this.clock });
  readonly locker = this.registry.mustOf();
  /** What was asked of the driver, such as `extend`, in order. */
  readonly calls: Call[] = [];
  /** What the driver does instead of its work. */
  readonly instead: Partial<LockDriver> = {};

  constructor() {
    this.registry.registerDriver('memory', this.#driver());
  }

  /** Makes the driver forget the lease's hold of `key`, and gives it to somebody else. */
  async steal(lease: Lease, key = lease.key): Promise<Grant> {
    const { token, mode, fence } = lease;
    await this.memory.release({ key: lockName('lock:', key), token, mode, fence, validUntil: 0 });
    return (await this.hold(key))!;
  }

  /** Takes `key` as another process would. */
  hold(key: string, ttl = 60_000): Promise<Grant | null> {
    const request = { key: lockName('lock:', key), token: 'rival', mode: 'write', ttl, wait: 0 } as const;
    return this.memory.acquire({ ...request, retryInterval: 100, meta: {} });
  }

  /** What the driver was asked for as `what`. */
  asked(what: string): Call[] {
    return this.calls.filter((call) => call.what === what);
  }

  /** How often the driver was asked for `what`. */
  count(what: string): number {
    return this.asked(what).length;
  }

  #driver(): LockDriver {
    const { memory, instead, calls } = this;
    return {
      acquire: (request) => {
        const { key, ttl, wait, patience } = request;
        calls.push({ what: 'acquire', key, ttl, wait, patience });
        return (instead.acquire ?? memory.acquire.bind(memory))(request);
      },
      extend: (grant, ttl) => {
        calls.push({ what: 'extend', key: grant.key, ttl });
        return (instead.extend ?? memory.extend.bind(memory))(grant, ttl);
      },
      release: (grant, keepFor) => {
        calls.push({ what: 'release', key: grant.key, fence: grant.fence, keepFor });
        return (instead.release ?? memory.release.bind(memory))(grant, keepFor);
      },
      inspect: (key) => (instead.inspect ?? memory.inspect.bind(memory))(key),
      list: (prefix, onProgress) => (instead.list ?? memory.list!.bind(memory))(prefix, onProgress),
      revoke: (key, fence, grace) => (instead.revoke ?? memory.revoke!.bind(memory))(key, fence, grace),
      ping: () => (instead.ping ?? memory.ping.bind(memory))(),
      close: () => (instead.close ?? memory.close.bind(memory))(),
    };
  }
}

/** A backend that fails, and one that never answers. */
export const down = () => Promise.reject(new LockBackendError('ECONNRESET'));
export const silent = () => new Promise<never>(() => {});

/** What has become of a promise. */
export function watch<T>(promise: Promise<T>): {
  state: 'pending' | 'fulfilled' | 'rejected';
  value?: T;
  error?: unknown;
} {
  const seen: ReturnType<typeof watch<T>> = { state: 'pending' };
  promise.then(
    (value) => Object.assign(seen, { state: 'fulfilled', value }),
    (error) => Object.assign(seen, { state: 'rejected', error }),
  );
  return seen;
}
