import type { Cluster, Redis } from 'ioredis';
import { type Clock, sleep } from '../../core/clock.js';
import type { Outcome, StoreError } from '../../engine/store.js';
import { describe } from './client.js';
import { ClusterEndpoint } from './cluster-endpoint.js';
import type { Client, Endpoint, EndpointEvents } from './endpoint.js';
import { outcomeOf, storeError } from './faults.js';
import type { Script } from './scripts.generated.js';
import { ServerEndpoint } from './server-endpoint.js';

// How many keys one step of a scan looks at.
const SCAN_COUNT = 500;
// How long the server takes for a step at most, in ms, and how many times as long it is then left alone.
const SCAN_MS = 1;
const SCAN_REST = 9;

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

  /** The names of the hashes that begin with `prefix`, in batches; some may come twice. @throws StoreError */
  async *scan(prefix: string): AsyncIterable<string[]> {
    const pattern = `${prefix.replace(/[\\*?[\]]/g, '\\$&')}*`;
    for (const node of this.#endpoint.primaries()) {
      let cursor = '0';
      do {
        const asked = this.#endpoint.sending();
        const scan = node.scan(cursor, 'MATCH', pattern, 'COUNT', SCAN_COUNT, 'TYPE', 'hash');
        const page = await this.#answer(scan.finally(() => this.#endpoint.answered(-Infinity)));
        const took = Math.min(SCAN_MS, this.#clock.now() - asked);
        cursor = String(page[0]);
        yield page[1];
        // The server has others to serve.
        if (cursor !== '0') await sleep(took * SCAN_REST, this.#clock);
      } while (cursor !== '0');
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
