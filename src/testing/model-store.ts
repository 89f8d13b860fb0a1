import type { Clock } from '../core/clock.js';
import type { LockBackendError } from '../core/errors.js';
import {
  type Claim,
  type ClaimId,
  type Freeing,
  type Granted,
  type LockStore,
  type Outcome,
  type Place,
  type Refused,
  type Renewal,
  type RenewalAnswer,
  StoreError,
  type StoreEvents,
} from '../engine/store.js';
import type { LockInfo } from '../lease/driver.js';
import { ModelLane } from './model-lane.js';
import { FENCES_PER_CLAIM, type ModelMessage } from './model-lock.js';
import type { ModelReceiver, ModelServer } from './model-server.js';

/** What a connection does to what passes; may be changed at any time. */
export interface ModelLink {
  /** ms that a call, an answer or a message takes. Default 0. */
  latency: () => number;
  /** The copies of the next message that arrive, each so many ms late; `[]`: it is lost. Default `[0]`. */
  message: () => readonly number[];
}

export interface ModelStoreOptions {
  readonly process: string;
  readonly clock: Clock;
  readonly toServer: Clock;
  readonly toProcess: Clock;
  readonly ordered: boolean;
  readonly link: ModelLink;
}

/** How a connection is lost. */
export interface ModelCut {
  /** Calls that are on their way to the server are run so many ms later than they would be. Default: never. */
  runLate?: number;
  /** ms until the process knows, and its calls reject. Default 0. */
  processKnows?: number;
  /** ms until the server knows; until then it sends messages to nobody. Default 0. */
  serverKnows?: number;
  /** ms from when the process knows until it tries to connect again. Default 0. */
  reconnect?: number;
}

// How long it waits before it tries again to connect to a server that is away.
const RECONNECT_MS = 50;

/** The {@link LockStore} of one process, connected to a {@link ModelServer}, and its faults on command. */
export class ModelStore implements LockStore {
  readonly limits = { fencesPerClaim: FENCES_PER_CLAIM, renewBatch: 256, leaveBatch: 256 };
  readonly process: string;
  readonly link: ModelLink;
  readonly #server: ModelServer;
  readonly #options: ModelStoreOptions;
  #events: StoreEvents | undefined;
  #connection: Connection | undefined;
  #closed = false;

  /** @internal Call {@link ModelServer.connect}. */
  constructor(server: ModelServer, options: ModelStoreOptions) {
    this.#server = server;
    this.#options = options;
    this.process = options.process;
    this.link = options.link;
  }

  get connected(): boolean {
    return this.#connection?.ready ?? false;
  }

  open(events: StoreEvents): void {
    this.#events = events;
    this.#connect();
  }

  async claim(claim: Claim, place?: Place): Promise<Granted | Refused> {
    const { key, token, mode, limit, ttl, meta } = claim;
    const asOf = this.#options.clock.now();
    const asked = {
      token,
      process: this.process,
      mode,
      limit: mode === 'write' ? Infinity : limit,
      ttl,
      meta,
      vouchFor: place?.vouchFor,
    };
    const answer = await this.#call('claim', () => this.#server.lock(key).claim(asked));
    return answer.granted ? { ...answer, asOf } : answer;
  }

  renew(batch: readonly Renewal[]): Promise<readonly RenewalAnswer[]> {
    return this.#call('renew', () =>
      batch.map(({ key, token, mode, ttl, sequence, serves }) =>
        this.#server.lock(key).renew(token, mode, ttl, sequence, serves),
      ),
    );
  }

  free({ key, token }: ClaimId, how: Freeing): Promise<'freed' | 'not-held'> {
    return this.#call('free', () => this.#server.lock(key).free(token, how));
  }

  leave(key: string, tokens: readonly string[], late: boolean): Promise<void> {
    return this.#call('leave', () => this.#server.lock(key).leave(tokens, late));
  }

  revoke(key: string, fence: number, grace: number): Promise<boolean> {
    return this.#call('revoke', () => this.#server.lock(key).revoke(fence, grace));
  }

  read(key: string): Promise<LockInfo | null> {
    return this.#call('read', () => this.#server.lock(key).read());
  }

  async *list(prefix: string): AsyncIterable<LockInfo> {
    yield* await this.#call('list', () => this.#server.list(prefix));
  }

  async ping(): Promise<void> {
    await this.#call('ping', () => undefined);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#connection?.cut(0, 0);
    this.#connection?.end(new StoreError('the connection is closed', 'unknown'));
    this.#connection = undefined;
  }

  /** The connection is lost. */
  cut({ runLate, processKnows = 0, serverKnows = 0, reconnect = 0 }: ModelCut = {}): void {
    const connection = this.#connection;
    if (!connection) return;
    connection.cut(runLate, serverKnows);
    const know = () => {
      if (this.#connection !== connection) return;
      this.#connection = undefined;
      const fault = new StoreError('the connection was lost', 'unknown');
      if (connection.ready) this.#events?.lost(fault as LockBackendError);
      connection.end(fault);
      this.#reconnect(reconnect);
    };
    if (processKnows > 0) this.#options.toProcess.after(processKnows, know);
    else know();
  }

  /** The process is gone: it does nothing any more. The server knows after `serverKnows` ms. */
  kill(serverKnows = 0): void {
    this.#closed = true;
    this.#connection?.cut(0, serverKnows);
    this.#connection = undefined;
  }

  /** Nothing passes for `ms`, in either direction; it all passes afterwards. */
  silence(ms: number): void {
    this.#connection?.silence(ms);
  }

  #connect(): void {
    if (this.#closed || this.#connection) return;
    if (!this.#server.up) return this.#reconnect(RECONNECT_MS);
    const connection = new Connection(this.#server, this.#options, (key, message, asOf) =>
      this.#receive(key, message, asOf),
    );
    this.#connection = connection;
    connection.open(() => this.#events?.ready());
  }

  #reconnect(ms: number): void {
    if (this.#closed || ms === Infinity) return;
    this.#options.toProcess.after(ms, () => this.#connect());
  }

  #call<T>(what: string, run: () => T): Promise<T> {
    if (!this.#connection?.ready)
      return Promise.reject(new StoreError(`${what}: there is no connection`, 'not-sent'));
    return this.#connection.call(what, run);
  }

  #receive(key: string, message: ModelMessage, asOf: number): void {
    const events = this.#events!;
    if (message.what === 'granted') {
      const { token, fence, run } = message;
      events.granted({ key, token }, { fence, run, asOf });
    } else if (message.what === 'revoked') {
      events.revoked({ key, token: message.token }, message.grace);
    } else {
      events.lookIn(key, message.ms);
    }
  }
}

/** One connection, from when it is made until it is lost. */
class Connection implements ModelReceiver {
  ready = false;
  readonly #server: ModelServer;
  readonly #options: ModelStoreOptions;
  readonly #onMessage: (key: string, message: ModelMessage, asOf: number) => void;
  readonly #toServer: ModelLane;
  readonly #toProcess: ModelLane;
  readonly #messages: ModelLane;
  readonly #pending = new Set<(error: StoreError) => void>();
  /** When that call was sent whose answer the server sent last. */
  #answeredSentAt = -Infinity;

  constructor(
    server: ModelServer,
    options: ModelStoreOptions,
    onMessage: (key: string, message: ModelMessage, asOf: number) => void,
  ) {
    this.#server = server;
    this.#options = options;
    this.#onMessage = onMessage;
    const latency = () => options.link.latency();
    this.#toServer = new ModelLane(options.toServer, latency, () => server.blockedUntil);
    this.#toProcess = new ModelLane(options.toProcess, latency);
    this.#messages = options.ordered ? this.#toProcess : new ModelLane(options.toProcess, latency);
  }

  open(ready: () => void): void {
    const sentAt = this.#options.clock.now();
    this.#toServer.send(() => {
      this.#server.subscribe(this.#options.process, this);
      this.#answeredSentAt = sentAt;
      this.#toProcess.send(() => {
        this.ready = true;
        ready();
      });
    });
  }

  call<T>(what: string, run: () => T): Promise<T> {
    const sentAt = this.#options.clock.now();
    return new Promise((resolve, reject) => {
      this.#pending.add(reject);
      this.#toServer.send(() => {
        const { refusal } = this.#server;
        const answer = refusal ? refused(what, refusal) : run();
        this.#answeredSentAt = sentAt;
        this.#toProcess.send(() => {
          this.#pending.delete(reject);
          if (answer instanceof StoreError) reject(answer);
          else resolve(answer);
        });
      });
    });
  }

  receive(key: string, message: ModelMessage): void {
    const asOf = this.#options.ordered ? this.#answeredSentAt : -Infinity;
    for (const late of this.#options.link.message()) {
      const arrive = () => this.#onMessage(key, message, asOf);
      if (late === 0) this.#messages.send(arrive);
      else this.#options.toProcess.after(late, () => this.#messages.send(arrive));
    }
  }

  cut(runLate: number | undefined, serverKnows: number): void {
    const calls = this.#toServer.cut();
    this.#toProcess.cut();
    this.#messages.cut();
    if (runLate !== undefined) {
      this.#options.toServer.after(runLate, () => {
        for (const call of calls) call();
      });
    }
    const know = () => this.#server.unsubscribe(this.#options.process, this);
    if (serverKnows > 0) this.#server.clock.after(serverKnows, know);
    else know();
  }

  /** What is on its way rejects. */
  end(fault: StoreError): void {
    this.ready = false;
    for (const reject of this.#pending) reject(fault);
    this.#pending.clear();
  }

  silence(ms: number): void {
    for (const lane of [this.#toServer, this.#toProcess, this.#messages]) lane.silence(ms);
  }
}

function refused(what: string, outcome: Outcome): StoreError {
  return new StoreError(`${what}: the server refused it`, outcome);
}
