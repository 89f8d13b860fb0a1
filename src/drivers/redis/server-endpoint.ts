import type { Redis } from 'ioredis';
import type { Clock, Timer } from '../../core/clock.js';
import { describe } from './client.js';
import type { Endpoint, EndpointEvents } from './endpoint.js';
import { isReplaced } from './sentinels.js';
import { Silence } from './silence.js';
import { takeSocketErrors } from './socket-errors.js';
import {
  checkInfo,
  checkRole,
  loadScripts,
  probe,
  ReplicaError,
  select,
  subscribe,
  UnfitError,
} from './start-checks.js';
import { Subscriber } from './subscriber.js';
import { Writes } from './writes.js';

// After how long to connect anew to a server that is there but will not do.
const UNFIT_MS = 500;
// How often a replica is asked meanwhile whether it has become the primary: it may be one only for moments.
const ROLE_MS = 50;

/** One server, perhaps found by sentinels. With RESP3 one connection sends and listens, else there are two. */
export class ServerEndpoint implements Endpoint {
  readonly client: Redis;
  readonly #clock: Clock;
  readonly #channel: string;
  readonly #writes: Writes;
  readonly #silence: Silence;
  readonly #subscriber: Subscriber;
  #events!: EndpointEvents;
  #ready = false;
  #closed = false;
  #fault: Error | undefined;
  /** Grows with each connection, and with the end of each. */
  #connection = 0;
  /** `clock.now()` of when it was connected last. */
  #connectedAt = 0;
  #shakesHands = false;
  #listensItself = false;
  #countsSubscribers = false;
  #answeredAsOf = -Infinity;
  #unfit: Timer | undefined;

  constructor(clock: Clock, client: Redis, channel: string) {
    this.client = client;
    this.#clock = clock;
    this.#channel = channel;
    this.#writes = new Writes(client);
    this.#silence = new Silence(clock, (ms) => {
      // While a server loads its data, ioredis asks it again and again whether it is ready.
      const what = this.#shakesHands ? 'silent, or still loading its data, for' : 'no answer within';
      this.#fault = new Error(`${what} ${ms} ms`);
      client.disconnect(true);
    });
    this.#subscriber = new Subscriber(clock, channel, {
      dial: () => client.duplicate({ retryStrategy: () => null, enableReadyCheck: false }),
      message: (text) => this.#events.message(text),
      subscribed: () => void this.#prepare(() => this.#probe()),
      failed: (error) => this.#failed(error),
    });
  }

  get ready(): boolean {
    return this.#ready;
  }

  get fault(): Error | undefined {
    return this.#fault;
  }

  get countsSubscribers(): boolean {
    return this.#countsSubscribers;
  }

  /** One connection is one ordered stream: what a message tells of was done after the last command answered before it. */
  get messageAsOf(): number {
    return this.#listensItself ? this.#answeredAsOf : -Infinity;
  }

  open(events: EndpointEvents): void {
    this.#events = events;
    const { client } = this;
    client.on('message', (_channel: string, text: string) => events.message(text));
    client.on('error', (error: Error) => this.#failed(error));
    takeSocketErrors(client);
    client.on('connect', () => this.#shakeHands(true));
    client.on('ready', () => {
      this.#shakeHands(false);
      this.#connectedAt = this.#clock.now();
      this.#connected();
    });
    client.on('close', () => {
      this.#shakeHands(false);
      this.#lose();
    });
    client.connect().catch(() => {});
  }

  sending(): number {
    this.#writes.gather();
    this.#silence.asked();
    return this.#clock.now();
  }

  answered(asOf: number): void {
    this.#silence.answered();
    if (asOf > this.#answeredAsOf && this.#ready) this.#answeredAsOf = asOf;
  }

  /** A socket may be gone before its close is told. */
  unwritable(): void {
    this.#lose();
  }

  serverOf(): string {
    return '';
  }

  primaries(): readonly Redis[] {
    return [this.client];
  }

  async ping(): Promise<void> {
    this.#silence.asked();
    try {
      await this.client.ping();
    } finally {
      this.#silence.answered();
    }
  }

  close(): void {
    this.#closed = true;
    this.#lose();
    this.#fault = new Error('closed');
    this.#silence.stop();
    this.client.disconnect();
  }

  /** A server may take a connection and say nothing. */
  #shakeHands(begins: boolean): void {
    if (begins === this.#shakesHands) return;
    this.#shakesHands = begins;
    if (begins) this.#silence.asked();
    else this.#silence.answered();
  }

  #failed(error: Error): void {
    this.#fault = error;
    if (!this.#ready) this.#events.lost();
  }

  #lose(): void {
    this.#connection++;
    this.#unfit?.cancel();
    this.#subscriber.stop();
    this.#answeredAsOf = -Infinity;
    this.#ready = false;
    this.#events.lost();
  }

  #connected(): void {
    if (this.#closed) return;
    const { condition } = this.client as unknown as { condition?: { protocol?: number } };
    // A server may refuse RESP3 without a word of ioredis, and ioredis 5 has none.
    this.#listensItself = condition?.protocol === 3;
    if (this.#listensItself) {
      void this.#prepare(() =>
        Promise.all([this.#check(), subscribe(this.client, this.#channel), this.#probe()]),
      );
    } else {
      void this.#prepare(async () => {
        await this.#check();
        this.#subscriber.start();
      });
    }
  }

  /** Takes a step on the way to being ready, which it is when the server will do and messages come. */
  async #prepare(step: () => Promise<unknown>): Promise<void> {
    const connection = this.#connection;
    const outdated = () => connection !== this.#connection;
    const asOf = this.#clock.now();
    this.#silence.asked();
    try {
      await step();
    } catch (error) {
      if (!outdated()) this.#unfitFor(error as Error);
      return;
    } finally {
      this.#silence.answered();
    }
    if (outdated() || !(this.#listensItself || this.#subscriber.subscribed)) return;
    this.#ready = true;
    this.#answeredAsOf = asOf;
    this.#fault = undefined;
    this.#events.ready();
  }

  #unfitFor(error: Error): void {
    this.#fault = error;
    this.#lose();
    const isReplica = error instanceof ReplicaError;
    this.#unfit = this.#clock.after(isReplica ? ROLE_MS : UNFIT_MS, () => {
      if (isReplica && this.#clock.now() - this.#connectedAt < UNFIT_MS) this.#connected();
      else this.client.disconnect(true);
    });
  }

  async #check(): Promise<void> {
    const { client } = this;
    const { db, sentinels } = client.options;
    const [info, replaced] = await Promise.all([
      client.info().catch(() => ''),
      sentinels?.length ? isReplaced(client, this.#clock) : false,
      // The client's own SELECT may have been refused, which it does not tell.
      db ? select(client, db) : undefined,
    ]);
    checkInfo(info, describe(client));
    checkRole(info);
    if (replaced) throw new UnfitError('the sentinels have replaced it by another primary');
    await loadScripts(client);
  }

  async #probe(): Promise<void> {
    // Before a proxy, or in another kind of server, nobody may be seen to subscribe.
    this.#countsSubscribers = (await probe(this.client, this.#channel, true)) > 0;
  }
}
