import type { LockBackendError } from '../core/errors.js';
import {
  type Claim,
  type ClaimId,
  type Freeing,
  type Granted,
  type LockStore,
  type Place,
  type Refused,
  type Renewal,
  type RenewalAnswer,
  StoreError,
  type StoreEvents,
} from '../engine/store.js';
import type { LockInfo } from '../lease/driver.js';
import { ModelConnection, type ModelLink, type ModelStoreOptions } from './model-connection.js';
import { FENCES_PER_CLAIM, type ModelMessage } from './model-lock.js';
import type { ModelServer } from './model-server.js';

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

/** The {@link LockStore} of one process, connected to a {@link ModelServer}. Its faults come on command. */
export class ModelStore implements LockStore {
  readonly limits = { fencesPerClaim: FENCES_PER_CLAIM, renewBatch: 256, leaveBatch: 256 };
  readonly process: string;
  readonly link: ModelLink;
  readonly #server: ModelServer;
  readonly #options: ModelStoreOptions;
  #events: StoreEvents | undefined;
  #connection: ModelConnection | undefined;
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
    const connection = new ModelConnection(this.#server, this.#options, (key, message, asOf) =>
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
