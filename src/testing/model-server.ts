import { checkNames } from '../core/check.js';
import { type Clock, systemClock } from '../core/clock.js';
import type { Outcome } from '../engine/store.js';
import type { LockInfo } from '../lease/driver.js';
import type { ModelLink } from './model-connection.js';
import { type ModelChange, ModelLock, type ModelLockHost, type ModelMessage } from './model-lock.js';
import { ModelStore } from './model-store.js';

export interface ModelServerOptions {
  /** What the server's clock goes by. Default: the system's. */
  clock?: Clock;
  /** What the server's clock shows at first, in µs since 1970. Default: now. */
  micros?: number;
  /** Whether the server can tell that nobody listens for a process. Default true. */
  reportsDeadReceivers?: boolean;
  /** Called for every change, after it was made. */
  onChange?: (key: string, change: ModelChange) => void;
}

export interface ModelConnectOptions {
  /** Names the process to the server. Default: `process-1` and so on. */
  process?: string;
  /** The process's own clock. Default: the server's. */
  clock?: Clock;
  /** When what the process sends gets to the server. Default: the server's clock. */
  toServer?: Clock;
  /** When what the server sends gets to the process. Default: the process's clock. */
  toProcess?: Clock;
  /**
   * Whether messages and answers come in the order in which they were sent, so that a message says when it was sent.
   * Default true.
   */
  ordered?: boolean;
  link?: Partial<ModelLink>;
}

/** What receives what the server sends to a process. */
export interface ModelReceiver {
  receive(key: string, message: ModelMessage): void;
}

/** All that a server had at one moment. See {@link ModelServer.restore}. */
export interface ModelCopy {
  readonly locks: ReadonlyMap<string, ModelLock>;
}

/**
 * A server that keeps locks in this process, written in plain TypeScript. It does the least that a backend must do, and
 * has every fault of a backend on command. Its answers are those of the Redis scripts.
 */
export class ModelServer {
  readonly #clock: Clock;
  readonly #host: ModelLockHost;
  readonly #receivers = new Map<string, Set<ModelReceiver>>();
  #locks = new Map<string, ModelLock>();
  #offset: number;
  #processes = 0;
  #blockedUntil = -Infinity;

  /** While it is set, calls are answered with an error and change nothing. */
  refusal: Outcome | undefined;
  /** Whether it can be connected to. */
  up = true;

  /** @throws LockUsageError for an unknown option */
  constructor(options: ModelServerOptions = {}) {
    checkNames(options, ['clock', 'micros', 'reportsDeadReceivers', 'onChange']);
    const {
      clock = systemClock,
      micros = Date.now() * 1_000,
      reportsDeadReceivers = true,
      onChange = () => {},
    } = options;
    this.#clock = clock;
    this.#offset = micros - clock.now() * 1_000;
    this.#host = {
      micros: () => this.micros,
      reaches: (process) => !reportsDeadReceivers || this.#receivers.has(process),
      send: (process, key, message) => {
        for (const receiver of this.#receivers.get(process) ?? []) receiver.receive(key, message);
      },
      changed: onChange,
    };
  }

  /** µs since 1970, by the server's clock. */
  get micros(): number {
    return Math.floor(this.#clock.now() * 1_000 + this.#offset);
  }

  get clock(): Clock {
    return this.#clock;
  }

  /** `clock.now()` until which it does nothing. */
  get blockedUntil(): number {
    return this.#blockedUntil;
  }

  /** A store of another process, not open yet. @throws LockUsageError for an unknown option */
  connect(options: ModelConnectOptions = {}): ModelStore {
    checkNames(options, ['process', 'clock', 'toServer', 'toProcess', 'ordered', 'link']);
    checkNames(options.link ?? {}, ['latency', 'message', 'reads']);
    const clock = options.clock ?? this.#clock;
    return new ModelStore(this, {
      process: options.process ?? `process-${++this.#processes}`,
      clock,
      toServer: options.toServer ?? this.#clock,
      toProcess: options.toProcess ?? clock,
      ordered: options.ordered ?? true,
      link: { latency: () => 0, message: () => [0], reads: () => 1, ...options.link },
    });
  }

  lock(key: string): ModelLock {
    let lock = this.#locks.get(key);
    if (!lock) {
      lock = new ModelLock(key, this.#host);
      this.#locks.set(key, lock);
    }
    return lock;
  }

  list(prefix: string): LockInfo[] {
    return [...this.#locks]
      .filter(([key]) => key.startsWith(prefix))
      .flatMap(([, lock]) => lock.read() ?? [])
      .sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  /** The clock steps by `ms`, forward or back. */
  stepClock(ms: number): void {
    this.#offset += ms * 1_000;
  }

  /** It does nothing for `ms`; what is sent meanwhile is done afterwards. */
  block(ms: number): void {
    this.#blockedUntil = Math.max(this.#blockedUntil, this.#clock.now() + ms);
  }

  /** All data is gone, as by a restart without persistence. */
  loseData(): void {
    for (const lock of this.#locks.values()) lock.lose();
  }

  /** What a replica may have. */
  copy(): ModelCopy {
    return { locks: new Map([...this.#locks].map(([key, lock]) => [key, lock.copy(this.#host)])) };
  }

  /** A fail-over to a replica that lags: what was done since the copy is gone. */
  restore({ locks }: ModelCopy): void {
    this.loseData();
    this.#locks = new Map([...locks].map(([key, lock]) => [key, lock.copy(this.#host)]));
  }

  /** Sends the messages for the process to this receiver, too. */
  subscribe(process: string, receiver: ModelReceiver): void {
    const receivers = this.#receivers.get(process) ?? new Set();
    this.#receivers.set(process, receivers.add(receiver));
  }

  unsubscribe(process: string, receiver: ModelReceiver): void {
    const receivers = this.#receivers.get(process);
    if (receivers?.delete(receiver) && receivers.size === 0) this.#receivers.delete(process);
  }
}
