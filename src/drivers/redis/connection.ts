import { nextTick } from 'node:process';
import type { Redis } from 'ioredis';
import type { Clock, Timer } from '../../core/clock.js';
import { LockBackendError, LockClosedError } from '../../core/errors.js';
import { type Client, type Dialled, describe } from './client.js';
import type { Script } from './scripts.js';
import { checkServer } from './server-check.js';

/** The answer to a script, and `clock.now()` from before the server ran it. */
export interface Answer {
  readonly reply: unknown;
  readonly sentAt: number;
}

export interface ConnectionEvents {
  /** Connected, for the first time or again: messages may have been missed. */
  ready(): void;
  message(text: string): void;
}

// How long a server may be silent while it owes an answer, or be away before a newcomer is told.
export const PATIENCE = 2_000;
// How many commands leave in one write.
const GATHERED = 16;
// After how long to connect anew to a server that is there but will not do: a replica about to be promoted, say.
const UNFIT_MS = 500;

/**
 * Our connection to Redis: scripts out, messages of one inbox in. It reconnects by itself for as long as it is open;
 * nothing is queued meanwhile, so no command waits longer than the server is silent.
 */
export class Connection {
  readonly #clock: Clock;
  readonly #client: Client;
  readonly #subscriber: Client;
  readonly #inbox: string;
  readonly #dialled: Dialled;
  readonly #address: string;
  readonly #events: ConnectionEvents;
  readonly #becomingReady = new Set<() => void>();
  #ready = false;
  #gathered = 0;
  #lostAt: number;
  #unfit: Timer | undefined;
  #closed = false;
  #fault: Error | undefined;
  #answeredAt = -Infinity;

  constructor(clock: Clock, dialled: Dialled, inbox: string, events: ConnectionEvents) {
    this.#clock = clock;
    this.#lostAt = clock.now();
    this.#dialled = dialled;
    this.#client = dialled.client;
    this.#subscriber = dialled.subscriber ?? dialled.client;
    this.#inbox = inbox;
    this.#events = events;
    this.#address = describe(dialled.client);
    this.#subscriber.on('message', (_channel: string, text: string) => events.message(text));
    for (const client of new Set([this.#client, this.#subscriber])) {
      client.on('error', (error: Error) => {
        this.#fault = error;
      });
      client.on('ready', () => void this.#prepare());
      client.on('close', () => this.#lost());
      client.connect().catch(() => {});
    }
  }

  get ready(): boolean {
    return this.#ready;
  }

  /** `clock.now()` of when it was ready last, or was made. */
  get lostAt(): number {
    return this.#ready ? this.#clock.now() : this.#lostAt;
  }

  /** Whether messages reach no further than the server that counts who received them. */
  get counted(): boolean {
    return !this.#dialled.cluster;
  }

  /**
   * `clock.now()` of before the server did what a message that came just now tells of: the sending of the last
   * command answered before it, for one connection is one ordered stream. -Infinity where that cannot be said.
   */
  get messageSentAt(): number {
    return this.#dialled.cluster || this.#dialled.subscriber ? -Infinity : this.#answeredAt;
  }

  /** @throws LockBackendError, at once when not connected. */
  async run(script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<Answer> {
    if (!this.#ready) throw this.error();
    this.#gather();
    let sentAt = this.#clock.now();
    try {
      let reply: unknown;
      try {
        reply = await this.#client.evalsha(script.sha, keys.length, ...keys, ...args);
      } catch (error) {
        if (!String((error as Error)?.message).startsWith('NOSCRIPT')) throw error;
        sentAt = this.#clock.now();
        reply = await this.#client.eval(script.lua, keys.length, ...keys, ...args);
      }
      if (this.#ready) this.#answeredAt = Math.max(this.#answeredAt, sentAt);
      return { reply, sentAt };
    } catch (error) {
      // What ioredis says of commands that were on their way when the connection was lost.
      const lost = (error as Error).name === 'MaxRetriesPerRequestError';
      // A socket may be gone before its close is told. Of a Cluster that says nothing about the other nodes.
      if (isUnwritable(error as Error) && !this.#dialled.cluster) this.#lost();
      throw this.error(lost ? (this.#fault ?? new Error('connection closed')) : (error as Error));
    }
  }

  /** Resolves when connected; rejects when it is not after `ms`. @throws LockBackendError, LockClosedError */
  async whenReady(ms = PATIENCE): Promise<void> {
    if (this.#closed) throw new LockClosedError();
    if (this.#ready) return;
    return new Promise((resolve, reject) => {
      const ready = () => {
        timer.cancel();
        this.#becomingReady.delete(ready);
        if (this.#ready) resolve();
        else reject(this.#closed ? new LockClosedError() : this.error());
      };
      const timer = this.#clock.after(ms, ready);
      this.#becomingReady.add(ready);
    });
  }

  async ping(): Promise<void> {
    await this.whenReady();
    await this.#client.ping().catch((error: Error) => {
      throw this.error(error);
    });
  }

  /** What went wrong, without the command: its arguments hold a token. */
  error(cause: Error | undefined = this.#fault): LockBackendError {
    const why = cause ? plain(cause) : new Error('not connected');
    return new LockBackendError(`Redis at ${this.#address}: ${why.message}`, { cause: why });
  }

  /** Disconnects, whatever is on its way. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#lost();
    this.#fault = new Error('closed');
    for (const client of new Set([this.#client, this.#subscriber])) client.disconnect();
    for (const ready of this.#becomingReady) ready();
  }

  /**
   * The first command of a turn of the event loop leaves at once, those after it in few writes: a write each would
   * cost more than all the rest. None waits for the whole turn, for the server is to have something to do meanwhile.
   */
  #gather(): void {
    if (this.#dialled.cluster) return;
    const { stream } = this.#client as Redis;
    const before = this.#gathered++;
    if (before === 0) {
      nextTick(() => {
        if (this.#gathered > 1) stream.uncork();
        this.#gathered = 0;
      });
    } else if (before % GATHERED === 1) {
      if (before > 1) stream.uncork();
      stream.cork();
    }
  }

  #lost(): void {
    if (this.#ready) this.#lostAt = this.#clock.now();
    this.#ready = false;
    this.#answeredAt = -Infinity;
    this.#unfit?.cancel();
  }

  async #prepare(): Promise<void> {
    if ([this.#client, this.#subscriber].some((client) => client.status !== 'ready')) return;
    try {
      const [info] = await Promise.all([
        this.#dialled.cluster ? '' : this.#client.info().catch(() => ''),
        this.#subscriber.subscribe(this.#inbox),
      ]);
      checkServer(String(info), this.#address);
    } catch (error) {
      if (this.#closed || this.#client.status !== 'ready') return;
      this.#fault = error as Error;
      this.#unfit?.cancel();
      this.#unfit = this.#clock.after(UNFIT_MS, () => this.#client.disconnect(true));
      return;
    }
    this.#unfit?.cancel();
    if (this.#closed || this.#client.status !== 'ready') return;
    this.#ready = true;
    this.#fault = undefined;
    for (const ready of [...this.#becomingReady]) ready();
    this.#events.ready();
  }
}

// ioredis hangs the command and its arguments on its errors.
function plain(error: Error): Error {
  const { message, code } = error as NodeJS.ErrnoException;
  const inner = (error as AggregateError).errors?.[0] as Error | undefined;
  return Object.assign(new Error(message || inner?.message || code || String(error)), code && { code });
}

/** Whether ioredis refused to send, for want of a connection. */
export function isUnwritable(error: Error): boolean {
  return error.message.includes("isn't writeable");
}
