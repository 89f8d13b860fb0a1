import type { Redis } from 'ioredis';
import type { Clock, Timer } from '../../core/clock.js';
import { backOff } from './back-off.js';
import { Silence } from './silence.js';
import { takeSocketErrors } from './socket-errors.js';

// How often a connection that only listens is asked whether it is still there.
const BEAT_MS = 1_000;

export interface SubscriberParts {
  /** A client that does not reconnect and is not connected yet; undefined where there is no server to connect to now. */
  dial(): Redis | undefined;
  message(text: string): void;
  /** Subscribed, for the first time or again: messages may have been missed. */
  subscribed(): void;
  failed(error: Error): void;
}

/**
 * A connection that only listens to the channel of this process, beside one that sends. It is made anew, perhaps to
 * another server, when it is lost or silent.
 */
export class Subscriber {
  readonly #clock: Clock;
  readonly #channel: string;
  readonly #parts: SubscriberParts;
  #client: Redis | undefined;
  #next: Timer | undefined;
  #failures = 0;
  #subscribed = false;

  constructor(clock: Clock, channel: string, parts: SubscriberParts) {
    this.#clock = clock;
    this.#channel = channel;
    this.#parts = parts;
  }

  get subscribed(): boolean {
    return this.#subscribed;
  }

  /** Where it listens, or is about to. */
  get client(): Redis | undefined {
    return this.#client;
  }

  /** Connects, and stays connected until `stop`; anew if it is connected. */
  start(): void {
    this.stop();
    this.#failures = 0;
    this.#connect();
  }

  stop(): void {
    this.#next?.cancel();
    this.#next = undefined;
    this.#subscribed = false;
    const client = this.#client;
    this.#client = undefined;
    client?.disconnect();
  }

  #connect(): void {
    const client = this.#parts.dial();
    this.#client = client;
    if (!client) return this.#connectLater();
    const silence = new Silence(this.#clock, (ms) => {
      this.#fail(client, new Error(`no answer within ${ms} ms`));
    });
    takeSocketErrors(client);
    client.on('error', (error: Error) => {
      if (client === this.#client) this.#parts.failed(error);
    });
    client.on('message', (_channel: string, text: string) => {
      if (client === this.#client) this.#parts.message(text);
    });
    client.on('end', () => {
      silence.stop();
      this.#fail(client);
    });
    silence.asked();
    client
      .connect()
      .then(() => client.subscribe(this.#channel))
      .then(
        () => {
          silence.answered();
          if (client !== this.#client) return;
          this.#failures = 0;
          this.#subscribed = true;
          this.#beat(client, silence);
          this.#parts.subscribed();
        },
        (error: Error) => {
          silence.answered();
          this.#fail(client, error);
        },
      );
  }

  /** A server may be gone without a word, and who only listens would never notice. */
  #beat(client: Redis, silence: Silence): void {
    const answered = () => silence.answered();
    this.#next = this.#clock.after(BEAT_MS, () => {
      silence.asked();
      client.ping().then(answered, answered);
      this.#beat(client, silence);
    });
    this.#next.keepAlive(false);
  }

  #fail(client: Redis, error?: Error): void {
    if (client !== this.#client) return;
    this.stop();
    if (error) this.#parts.failed(error);
    this.#connectLater();
  }

  #connectLater(): void {
    this.#next = this.#clock.after(backOff(++this.#failures), () => this.#connect());
  }
}
