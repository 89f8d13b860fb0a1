import type { Cluster, Redis } from 'ioredis';
import type { Clock } from '../../core/clock.js';
import type { Outcome, StoreError } from '../../engine/store.js';
import { describe } from './client.js';
import { ClusterEndpoint } from './cluster-endpoint.js';
import type { Client, Endpoint, EndpointEvents } from './endpoint.js';
import { outcomeOf, storeError } from './faults.js';
import { type Page, scan } from './scan.js';
import type { Script } from './scripts.generated.js';
import { ServerEndpoint } from './server-endpoint.js';

/**
 * Our connection to Redis: scripts out, messages of one channel in. Nothing is queued while it is lost, so no command
 * waits longer than the server is silent.
 */
export class Connection {
  readonly #clock: Clock;
  readonly #endpoint: Endpoint;
  readonly #address: string;
  #closed = false;

  constructor(clock: Clock, client: Client, channel: string) {
    this.#clock = clock;
    this.#endpoint = client.isCluster
      ? new ClusterEndpoint(clock, client as Cluster, channel)
      : new ServerEndpoint(clock, client as Redis, channel);
    this.#address = describe(client);
  }

  /** @see Endpoint.messageAsOf */
  get messageAsOf(): number {
    return this.#endpoint.messageAsOf;
  }

  /** @see Endpoint.countsSubscribers */
  get countsSubscribers(): boolean {
    return this.#endpoint.countsSubscribers;
  }

  /** @see Endpoint.serverOf */
  serverOf(key: string): string {
    return this.#endpoint.serverOf(key);
  }

  open(events: EndpointEvents): void {
    events.lost();
    const unlessClosed =
      <A extends unknown[]>(tell: (...args: A) => void) =>
      (...args: A) => {
        if (!this.#closed) tell(...args);
      };
    this.#endpoint.open({
      ready: unlessClosed(() => events.ready()),
      lost: unlessClosed(() => events.lost()),
      message: unlessClosed((text: string) => events.message(text)),
    });
  }

  /** Runs a script. `decode` gets the reply, and `clock.now()` from before the server ran it. @throws StoreError */
  run<T>(
    script: Script,
    key: string | readonly string[],
    args: readonly string[],
    decode: (reply: unknown, asOf: number) => T,
  ): Promise<T> {
    const endpoint = this.#endpoint;
    if (!endpoint.ready) return Promise.reject(this.error('not-sent'));
    const keys = typeof key === 'string' ? [key] : key;
    const asOf = endpoint.sending();
    const answered = (reply: unknown) => {
      endpoint.answered(asOf);
      return decode(reply, asOf);
    };
    return endpoint.client
      .evalsha(script.sha, keys.length, ...keys, ...args)
      .then(answered, (error: Error) => {
        endpoint.answered(-Infinity);
        if (!error.message.startsWith('NOSCRIPT')) throw this.#failed(error);
        return this.#load(script, keys, args, decode);
      });
  }

  /** The keys of all servers, in steps: see {@link scan}. Of how many is told for all together. @throws StoreError */
  async *scan(prefix: string): AsyncIterable<Page> {
    const primaries = this.#endpoint.primaries();
    let before = 0;
    for (const [index, node] of primaries.entries()) {
      const ask = (command: string, ...args: string[]) => {
        this.#endpoint.sending();
        return this.#answer(node.call(command, ...args).finally(() => this.#endpoint.answered(-Infinity)));
      };
      let seen = 0;
      for await (const page of scan(ask, prefix, this.#clock)) {
        ({ seen } = page);
        // The servers of a Cluster have about as many each.
        const total = page.total && before + page.total * (primaries.length - index);
        yield { ...page, seen: before + seen, total };
      }
      before += seen;
    }
  }

  /** @throws StoreError */
  ping(): Promise<void> {
    return this.#answer(this.#endpoint.ping());
  }

  /** What went wrong: by default, why there is no connection. */
  error(outcome: Outcome, cause: Error | undefined = this.#endpoint.fault): StoreError {
    return storeError(this.#address, outcome, cause);
  }

  /** Disconnects, whatever is on its way. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#endpoint.close();
  }

  async #load<T>(
    script: Script,
    keys: readonly string[],
    args: readonly string[],
    decode: (reply: unknown, asOf: number) => T,
  ): Promise<T> {
    const asOf = this.#endpoint.sending();
    let reply: unknown;
    try {
      reply = await this.#endpoint.client.eval(script.lua, keys.length, ...keys, ...args);
    } catch (error) {
      this.#endpoint.answered(-Infinity);
      throw this.#failed(error as Error);
    }
    this.#endpoint.answered(asOf);
    return decode(reply, asOf);
  }

  #answer<T>(answer: Promise<T>): Promise<T> {
    return answer.catch((error: Error) => {
      throw this.#failed(error);
    });
  }

  #failed(error: Error): StoreError {
    const outcome = outcomeOf(error);
    if (outcome === 'not-sent') this.#endpoint.unwritable();
    if (outcome === 'lost')
      return this.error('unknown', this.#endpoint.fault ?? new Error('connection closed'));
    return this.error(outcome, error);
  }
}
