import { nextTick } from 'node:process';
import type { Cluster, Redis } from 'ioredis';
import { type Clock, LOOK_MS, LOOKS, sleep, type Timer } from '../../core/clock.js';
import { type Outcome, StoreError } from '../../engine/store.js';
import { type Client, type Dialled, describe } from './client.js';
import type { Script } from './scripts.generated.js';
import * as scripts from './scripts.generated.js';
import { checkServer } from './server-check.js';

export interface ConnectionEvents {
  /** Connected, for the first time or again: messages may have been missed. */
  ready(): void;
  /** What is on its way may or may not have been done. */
  lost(): void;
  message(text: string): void;
}

// How many commands leave in one write.
const GATHERED = 16;
// After how long to connect anew to a server that is there but will not do: a replica about to be promoted, say.
const UNFIT_MS = 500;
// How long a server may be silent while it owes an answer, or take to get a new connection ready.
const SILENCE_MS = 1_000;
// How many keys one step of a scan looks at.
const SCAN_COUNT = 500;
// How long the server takes for a step at most, in ms, and how many times as long it is then left alone.
const SCAN_MS = 1;
const SCAN_REST = 9;

/**
 * Our connection to Redis: scripts out, messages of one channel in. It reconnects by itself for as long as it is open;
 * nothing is queued meanwhile, so no command waits longer than the server is silent.
 */
export class Connection {
  readonly #clock: Clock;
  readonly #client: Client;
  readonly #channel: string;
  readonly #dialled: Dialled;
  readonly #address: string;
  #events: ConnectionEvents = { ready() {}, lost() {}, message() {} };
  #subscriber: Client;
  #ready = false;
  #closed = false;
  #gathered = 0;
  #unfit: Timer | undefined;
  #fault: Error | undefined;
  #answeredAsOf = -Infinity;
  #unanswered = 0;
  #answers = 0;
  #silence: Timer | undefined;

  constructor(clock: Clock, dialled: Dialled, channel: string) {
    this.#clock = clock;
    this.#dialled = dialled;
    this.#client = dialled.client;
    this.#subscriber = dialled.client;
    this.#channel = channel;
    this.#address = describe(dialled.client);
  }

  open(events: ConnectionEvents): void {
    this.#events = events;
    events.lost();
    this.#connect(this.#client);
  }

  /**
   * `clock.now()` of before the server did what a message that came just now tells of: the sending of the last
   * command answered before it, for one connection is one ordered stream. -Infinity where that cannot be said.
   */
  get messageAsOf(): number {
    return this.#dialled.cluster || this.#subscriber !== this.#client ? -Infinity : this.#answeredAsOf;
  }

  /** Runs a script. `decode` gets the reply, and `clock.now()` from before the server ran it. @throws StoreError */
  run<T>(
    script: Script,
    key: string | readonly string[],
    args: readonly string[],
    decode: (reply: unknown, asOf: number) => T,
  ): Promise<T> {
    if (!this.#ready) return Promise.reject(this.error('not-sent'));
    this.#gather();
    const asOf = this.#clock.now();
    const keys = typeof key === 'string' ? [key] : key;
    const answered = (reply: unknown) => decode(this.#answered(reply, asOf), asOf);
    this.#await();
    return this.#client.evalsha(script.sha, keys.length, ...keys, ...args).then(answered, (error: Error) => {
      this.#answered(undefined, -Infinity);
      if (!error.message.startsWith('NOSCRIPT')) throw this.#failed(error);
      return this.#load(script, keys, args, decode);
    });
  }

  /** The names of the hashes that begin with `prefix`, in batches; some may come twice. @throws StoreError */
  async *scan(prefix: string): AsyncIterable<string[]> {
    const pattern = `${prefix.replace(/[\\*?[\]]/g, '\\$&')}*`;
    const client = this.#client as Redis | Cluster;
    const nodes = client.isCluster ? (client as Cluster).nodes('master') : [client as Redis];
    for (const node of nodes) {
      let cursor = '0';
      do {
        const asked = this.#clock.now();
        this.#await();
        const page = await node.scan(cursor, 'MATCH', pattern, 'COUNT', SCAN_COUNT, 'TYPE', 'hash').then(
          (answer) => this.#answered(answer, -Infinity) as typeof answer,
          (error: Error) => {
            this.#answered(undefined, -Infinity);
            throw this.#failed(error);
          },
        );
        const took = Math.min(SCAN_MS, this.#clock.now() - asked);
        cursor = String(page[0]);
        yield page[1];
        // The server has others to serve.
        if (cursor !== '0') await sleep(took * SCAN_REST, this.#clock);
      } while (cursor !== '0');
    }
  }

  async ping(): Promise<void> {
    this.#await();
    await (this.#client as Redis).ping().then(
      () => this.#answered(undefined, -Infinity),
      (error: Error) => {
        this.#answered(undefined, -Infinity);
        throw this.#failed(error);
      },
    );
  }

  /** What went wrong, without the command: its arguments hold a token. */
  error(outcome: Outcome, cause: Error | undefined = this.#fault): StoreError {
    const why = cause ? plain(cause) : new Error('not connected');
    return new StoreError(`Redis at ${this.#address}: ${why.message}`, outcome, why);
  }

  /** Disconnects, whatever is on its way. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#lost();
    this.#fault = new Error('closed');
    this.#silence?.cancel();
    for (const client of new Set([this.#client, this.#subscriber])) client.disconnect();
  }

  #connect(client: Client): void {
    client.on('message', (_channel: string, text: string) => this.#events.message(text));
    client.on('error', (error: Error) => {
      this.#fault = error;
      if (!this.#ready) this.#events.lost();
    });
    client.on('connect', () => this.#limitHandshake(client));
    client.on('ready', () => void this.#prepare());
    client.on('close', () => this.#lost());
    client.connect().catch(() => {});
  }

  async #load<T>(
    script: Script,
    keys: readonly string[],
    args: readonly string[],
    decode: (reply: unknown, asOf: number) => T,
  ): Promise<T> {
    const asOf = this.#clock.now();
    this.#await();
    try {
      const reply = await this.#client.eval(script.lua, keys.length, ...keys, ...args);
      return decode(this.#answered(reply, asOf), asOf);
    } catch (error) {
      this.#answered(undefined, -Infinity);
      throw this.#failed(error as Error);
    }
  }

  #answered(reply: unknown, asOf: number): unknown {
    this.#unanswered--;
    this.#answers++;
    if (asOf > this.#answeredAsOf && this.#ready) this.#answeredAsOf = asOf;
    return reply;
  }

  #failed(error: Error): StoreError {
    if (isUnwritable(error)) {
      // A socket may be gone before its close is told. Of a Cluster that says nothing about the other nodes.
      if (!this.#dialled.cluster) this.#lost();
      return this.error('not-sent', error);
    }
    // What ioredis says of commands that were on their way when the connection was lost.
    const lost = error.name === 'MaxRetriesPerRequestError' || /closed|ended/i.test(error.message);
    if (lost) return this.error('unknown', this.#fault ?? new Error('connection closed'));
    if (error.name !== 'ReplyError') return this.error('unknown', error);
    return this.error(isPassing(error) ? 'passing' : 'refused', error);
  }

  /** An answer is due. A server that gives none at all for too long is taken for gone, and connected to anew. */
  #await(): void {
    this.#unanswered++;
    if (!this.#silence && !this.#dialled.cluster) this.#watch(SILENCE_MS, 0, this.#answers);
  }

  #watch(ms: number, looks: number, answers: number): void {
    this.#silence = this.#clock.after(ms, () => {
      this.#silence = undefined;
      if (this.#unanswered === 0 || this.#closed) return;
      if (this.#answers > answers) return this.#watch(SILENCE_MS, 0, this.#answers);
      // After a stall, timers fire before sockets are read.
      if (looks < LOOKS) return this.#watch(LOOK_MS, looks + 1, answers);
      this.#fault = new Error(`no answer within ${SILENCE_MS} ms`);
      if (this.#client.status === 'ready') (this.#client as Redis).disconnect(true);
    });
    this.#silence.keepAlive(false);
  }

  /** A server may take a connection and say nothing: so each has a time to get ready in. */
  #limitHandshake(client: Client, looks = 0): void {
    if (this.#dialled.cluster) return;
    const timer = this.#clock.after(looks === 0 ? SILENCE_MS : LOOK_MS, () => {
      const { status } = client;
      if (this.#closed || status !== 'connect') return;
      if (looks < LOOKS) return this.#limitHandshake(client, looks + 1);
      this.#fault = new Error(`not ready within ${SILENCE_MS} ms`);
      (client as Redis).disconnect(true);
    });
    timer.keepAlive(false);
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
    this.#unfit?.cancel();
    this.#answeredAsOf = -Infinity;
    this.#ready = false;
    this.#events.lost();
  }

  /** Makes sure that the server will do, and that messages come. */
  async #prepare(): Promise<void> {
    const clients = new Set([this.#client, this.#subscriber]);
    if (this.#closed || [...clients].some((client) => client.status !== 'ready')) return;
    try {
      if (this.#subscriber === this.#client && !this.#subscribesAndSends()) return this.#addSubscriber();
      await Promise.all([this.#check(), this.#subscriber.subscribe(this.#channel)]);
    } catch (error) {
      if (this.#closed || this.#client.status !== 'ready') return;
      this.#fault = error as Error;
      this.#lost();
      this.#unfit = this.#clock.after(UNFIT_MS, () => this.#client.disconnect(true));
      return;
    }
    this.#unfit?.cancel();
    if (this.#closed || this.#client.status !== 'ready' || this.#subscriber.status !== 'ready') return;
    this.#ready = true;
    this.#fault = undefined;
    this.#events.ready();
  }

  async #check(): Promise<void> {
    if (this.#dialled.cluster) return;
    const client = this.#client as Redis;
    const { db } = client.options;
    const [info] = await Promise.all([
      client.info().catch(() => ''),
      // The client's own SELECT may have been refused, which it does not tell.
      db ? client.select(db) : undefined,
      // The first answers are not to take two round trips. Where it is not allowed, or a script is lost, EVAL brings it.
      ...Object.values(scripts).map(({ lua }) => client.script('LOAD', lua).catch(() => {})),
    ]);
    checkServer(String(info), this.#address);
  }

  /** Whether the one connection can do both: only with RESP3, which a server may refuse without a word. */
  #subscribesAndSends(): boolean {
    if (this.#dialled.cluster) return true;
    const { condition } = this.#client as unknown as { condition?: { protocol?: number } };
    return condition?.protocol === 3;
  }

  /** Its being ready prepares again. */
  #addSubscriber(): void {
    this.#subscriber = (this.#client as Redis).duplicate();
    this.#connect(this.#subscriber);
  }
}

/** Faults that mend themselves while the connection stands: a fail-over, a cluster on the move, a start. */
function isPassing(error: Error): boolean {
  return /\b(READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|MOVED|ASK|UNBLOCKED|BUSY|Too many Cluster)\b/.test(
    error.message,
  );
}

// ioredis hangs the command and its arguments on its errors.
function plain(error: Error): Error {
  const { message, code } = error as NodeJS.ErrnoException;
  const inner = (error as AggregateError).errors?.[0] as Error | undefined;
  return Object.assign(new Error(message || inner?.message || code || String(error)), code && { code });
}

/** Whether ioredis refused to send, for want of a connection. */
function isUnwritable(error: Error): boolean {
  return error.message.includes("isn't writeable");
}
