import { checkNames, checkText } from './core/check.js';
import { type Clock, LOOK_MS, LOOKS } from './core/clock.js';
import { type Duration, parseDuration } from './core/duration.js';
import {
  LockBackendError,
  LockClosedError,
  LockConfigError,
  LockError,
  LockUsageError,
} from './core/errors.js';
import { outside } from './core/outside.js';
import { machineClock } from './core/suspensions.js';
import { within } from './core/within.js';
import { memoryDriver } from './drivers/memory.js';
import { Backend } from './lease/backend.js';
import type { DriverFactory, LockDriver } from './lease/driver.js';
import type { LockerHost } from './lease/host.js';
import { LeaseLocker } from './lease/lease-locker.js';
import { LiveHolds } from './lease/live-holds.js';
import type { Locker } from './lease/locker.js';
import { DEFAULTS, type LockerOptions, resolveOptions, type Settings } from './lease/options.js';
import { messageOf } from './text/message-of.js';
import { withoutLogin } from './text/without-login.js';

/** A locker's name and settings; durations in ms. */
export type LockerInfo = { name: string } & Omit<Settings, 'retry' | 'signal'>;

/** Whether a driver works. */
export interface DriverStatus {
  status: 'up' | 'down';
  latencyMs?: number;
  error?: string;
}

export interface CloseOptions {
  /** How long holders may continue before their leases are ended. Default 5 s. */
  grace?: Duration | undefined;
}

export const DEFAULT_LOCKER = 'default';
// How long the drivers may take to take back the leases, and to close; in ms.
const CLOSING_MS = 5_000;
// How long a driver may take to say whether it serves, in ms.
const PING_MS = 3_000;
const BUILT_IN = ['driver memory', `locker ${DEFAULT_LOCKER}`];

/**
 * Drivers and lockers by name. It needs no app. A new registry has the driver `memory` and the locker `default`; you
 * can replace each of them once, by registering it. A driver is created when a locker first needs it.
 */
export class LockRegistry {
  readonly #drivers = new Map<string, DriverFactory>();
  readonly #lockers = new Map<string, LeaseLocker>();
  readonly #replaceable = new Set(BUILT_IN);
  readonly #backends = new Map<string, Backend | Promise<Backend>>();
  readonly #closing = new AbortController();
  readonly #live = new LiveHolds();
  readonly #host: LockerHost;
  #closed: Promise<void> | undefined;

  /** @throws LockUsageError for an unknown option: drivers and lockers are registered. */
  constructor(options: { clock?: Clock } = {}) {
    checkNames(options, ['clock']);
    const clock = options.clock ?? machineClock;
    this.#host = {
      clock,
      closing: this.#closing.signal,
      backend: (driver) => this.#backend(driver),
    };
    this.#drivers.set('memory', () => memoryDriver({ clock }));
    this.#lockers.set(DEFAULT_LOCKER, new LeaseLocker(DEFAULT_LOCKER, DEFAULTS, this.#host));
  }

  /**
   * Adds a driver, or a function that creates it when it is first needed. `close` closes it.
   * @throws LockConfigError when the name is taken, LockUsageError, LockClosedError.
   */
  registerDriver(name: string, driver: LockDriver | DriverFactory): this {
    if (typeof driver !== 'function' && typeof driver?.acquire !== 'function') {
      throw new LockUsageError('driver', driver, 'a LockDriver, or a function that makes one');
    }
    this.#checkNew('driver', name, this.#drivers);
    if (this.#backends.has(name)) throw new LockConfigError(`driver ${shown(name)} is in use already`);
    this.#drivers.set(name, typeof driver === 'function' ? driver : () => driver);
    // It may have opened something already, and is to be closed whether or not it is needed.
    if (typeof driver !== 'function') this.#backends.set(name, this.#backendOf(name, driver));
    return this;
  }

  /**
   * Adds a locker with its own defaults. Its driver can be registered later.
   * @throws LockConfigError when the name is taken, LockUsageError naming the wrong option, LockClosedError.
   */
  registerLocker(name: string, defaults?: LockerOptions): this {
    const settings = resolveOptions(DEFAULTS, defaults);
    this.#checkNew('locker', name, this.#lockers);
    this.#lockers.set(name, new LeaseLocker(name, settings, this.#host));
    return this;
  }

  /** The locker of that name, by default `default`; undefined where there is none. */
  of(name: string = DEFAULT_LOCKER): Locker | undefined {
    return this.#lockers.get(name || DEFAULT_LOCKER);
  }

  /** As {@link of}. @throws LockConfigError where there is none. */
  mustOf(name?: string): Locker {
    const locker = this.of(name);
    if (!locker)
      throw new LockConfigError(`locker ${shown(name)} is not registered; there are: ${list(this.#lockers)}`);
    return locker;
  }

  /** Every locker with its settings, sorted by name. */
  info(): LockerInfo[] {
    return [...this.#lockers.keys()].sort().map((name) => {
      const { retry: _, signal: __, ...settings } = this.#lockers.get(name)!.settings;
      return { name, ...settings };
    });
  }

  /**
   * Creates the drivers that the lockers use, and checks that each one works.
   * @throws LockConfigError for a driver that is not registered, LockBackendError for one that does not work, LockClosedError.
   */
  async connect(): Promise<void> {
    const { clock, closing } = this.#host;
    for (const driver of this.#used()) {
      const serving = Promise.resolve(this.#backend(driver)).then((backend) => backend.ping());
      // Not even once the registry closes would some of them answer.
      await within(serving, Infinity, clock, closing);
    }
  }

  /**
   * Asks every driver in use whether it works. The result is by driver name. A driver that does not answer is down
   * after 3 s.
   */
  async ping(): Promise<Map<string, DriverStatus>> {
    const { clock } = this.#host;
    const asked = this.#used().map(async (name): Promise<[string, DriverStatus]> => {
      const started = clock.now();
      const answer = Promise.resolve(this.#backend(name)).then((backend) => backend.ping());
      try {
        const up = await within(
          answer.then(() => true),
          PING_MS,
          clock,
        );
        if (!up) throw new LockBackendError(`no answer within ${PING_MS} ms`);
        return [name, { status: 'up', latencyMs: clock.now() - started }];
      } catch (error) {
        return [name, { status: 'down', error: messageOf(error) }];
      }
    });
    return new Map(await Promise.all(asked));
  }

  /**
   * Rejects new and waiting calls with a LockClosedError at once, and gives holders the time `grace` to finish. Then it
   * ends the remaining leases and closes the drivers. A second call waits for the same end. It ends whatever the
   * drivers do: they have 5 s to release the leases, and 5 s to close.
   * @throws LockUsageError, and then nothing has been closed; the first error of a driver that did not release its
   * leases or did not close.
   */
  async close(options: CloseOptions = {}): Promise<void> {
    checkNames(options, ['grace']);
    const grace = parseDuration('grace', options.grace ?? '5s');
    this.#closed ??= this.#close(grace);
    return this.#closed;
  }

  async #close(grace: number): Promise<void> {
    const { clock } = this.#host;
    this.#closing.abort(new LockClosedError());
    await this.#live.empty(grace, clock);
    this.#live.closeAll();
    const until = clock.now() + CLOSING_MS;
    let givenBack = await this.#live.empty(CLOSING_MS, clock);
    // After a stall the answers may be here, unread.
    if (!givenBack && clock.now() > until + LOOK_MS)
      givenBack = await this.#live.empty(LOOKS * LOOK_MS, clock);
    const closings = [...this.#backends].map(([name, backend]) => this.#closeDriver(name, backend));
    const failed = (await Promise.allSettled(closings)).find((closing) => closing.status === 'rejected');
    if (failed) throw failed.reason;
    if (!givenBack) throw new LockBackendError(`leases were not taken back within ${CLOSING_MS} ms`);
  }

  async #closeDriver(name: string, backend: Backend | Promise<Backend>): Promise<void> {
    // One that could not be made needs no closing.
    const closing = Promise.resolve(backend).then(
      (made) => made.close().then(() => true),
      () => true,
    );
    const closed = await within(closing, CLOSING_MS, this.#host.clock);
    if (!closed) throw new LockBackendError(`driver ${shown(name)} did not close within ${CLOSING_MS} ms`);
  }

  #backend(name: string): Backend | Promise<Backend> {
    let backend = this.#backends.get(name);
    if (!backend) {
      backend = this.#make(name).then(
        (made) => {
          this.#backends.set(name, made);
          return made;
        },
        (error) => {
          // One that could not be made is made anew at the next need.
          this.#backends.delete(name);
          throw error;
        },
      );
      this.#backends.set(name, backend);
    }
    return backend;
  }

  async #make(name: string): Promise<Backend> {
    const factory = this.#drivers.get(name);
    if (!factory)
      throw new LockConfigError(`driver ${shown(name)} is not registered; there are: ${list(this.#drivers)}`);
    if (this.#closing.signal.aborted) throw new LockClosedError();
    try {
      const driver = await outside(factory);
      if (typeof driver?.acquire === 'function') return this.#backendOf(name, driver);
      throw new LockConfigError(`the function registered as driver ${shown(name)} made no driver`);
    } catch (error) {
      if (error instanceof LockError) throw error;
      throw new LockBackendError(`driver ${shown(name)} could not be made`, { cause: error });
    }
  }

  #backendOf(name: string, driver: LockDriver): Backend {
    return new Backend(name, driver, this.#host.clock, this.#live);
  }

  #used(): string[] {
    return [...new Set(this.info().map(({ driver }) => driver))];
  }

  #checkNew(what: string, name: string, known: ReadonlyMap<string, unknown>): void {
    checkText('name', name);
    if (this.#closing.signal.aborted) throw new LockClosedError();
    if (known.has(name) && !this.#replaceable.delete(`${what} ${name}`)) {
      throw new LockConfigError(`${what} ${shown(name)} is registered already`);
    }
  }
}

/** A name, which may be an address by mistake. */
const shown = (name: string | undefined) => `"${withoutLogin(String(name))}"`;

const list = (names: ReadonlyMap<string, unknown>) => [...names.keys()].sort().map(withoutLogin).join(', ');
