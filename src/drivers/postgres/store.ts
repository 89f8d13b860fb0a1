import type {
  Claim,
  ClaimId,
  Freeing,
  Granted,
  LockStore,
  Place,
  Refused,
  Renewal,
  RenewalAnswer,
  StoreError,
  StoreEvents,
} from '../../engine/store.js';
import type { LockInfo } from '../../lease/driver.js';
import type { Dialler } from './client.js';
import { metaOf, modeOf, nameOf, readClaim, readInfo, readMessage, tokenOf } from './codec.js';
import { Connection, type ConnectionParts } from './connection.js';
import { isRowLocked } from './fault.js';
import { FENCES_PER_CLAIM } from './guarded-holds.js';
import type { Answer } from './link.js';
import { Patience } from './patience.js';
import { Poller } from './poller.js';
import { RENEW_BATCH, RenewalBatches } from './renewal-batches.js';
import { type Statements, statementsIn } from './statements.js';
import { Sweeper } from './sweeper.js';

// How many rows a page of a list goes through.
const PAGE = 1_000;

/** Leases in PostgreSQL 13 or later: rows of a few tables, on the database's clock. */
export class PostgresStore implements LockStore {
  readonly limits = { fencesPerClaim: FENCES_PER_CLAIM, renewBatch: RENEW_BATCH, leaveBatch: 256 };
  readonly #connection: Connection;
  readonly #statements: Statements;
  readonly #batches: RenewalBatches;
  readonly #patience = new Patience();
  readonly #poller: Poller;
  readonly #sweeper: Sweeper;
  #events!: StoreEvents;

  constructor(dialler: Dialler, parts: ConnectionParts) {
    this.#statements = statementsIn(dialler.schema);
    this.#connection = new Connection(dialler, parts, {
      ready: () => {
        this.#sweeper.start();
        // The engine claims again for all who still wait. Those who left meanwhile may never be given up here.
        this.#poller.clear();
        this.#events.ready();
      },
      lost: (fault) => this.#events.lost(fault),
      message: (payload) => this.#receive(payload),
    });
    this.#batches = new RenewalBatches(this.#connection, this.#statements.renew);
    const ask = this.#connection.askAny.bind(this.#connection);
    this.#poller = new Poller(parts.clock, this.#statements.poll, ask, (id, fence) =>
      this.#granted(id, fence),
    );
    this.#sweeper = new Sweeper(parts.clock, this.#statements.sweep, ask);
  }

  open(events: StoreEvents): void {
    this.#events = events;
    this.#connection.open();
  }

  async claim(claim: Claim, place?: Place): Promise<Granted | Refused> {
    const { key, token, mode, limit, ttl, meta } = claim;
    const args = [nameOf(key), tokenOf(token), modeOf(mode), limit, ttl, metaOf(meta)];
    const patience = place ? this.#patience.begin(key, mode) : this.#patience.ofTry;
    const vouch = place?.vouchFor ?? null;
    const asked = this.#connection.ask(key, this.#statements.claim, [
      ...args,
      this.#connection.process,
      vouch,
      patience,
    ]);
    // At once: of answers that are read together, that of a later call drops the place.
    const answered = asked.then((rows) => {
      const answer = readClaim(rows);
      if (this.#connection.deaf) this.#poller[place && !answer.granted ? 'add' : 'drop'](claim);
      return answer;
    });
    return place ? answered.finally(() => this.#patience.end(key)) : answered;
  }

  renew(batch: readonly Renewal[]): Promise<readonly RenewalAnswer[]> {
    return this.#batches.renew(batch);
  }

  async free(
    id: ClaimId,
    { served = [], usedFence = 0, keepFor = 0, late = false }: Freeing,
  ): Promise<'freed' | 'not-held'> {
    const { rows } = await this.#connection.ask(id.key, this.#statements.free, [
      nameOf(id.key),
      tokenOf(id.token),
      served.map(tokenOf),
      usedFence,
      Math.ceil(keepFor),
      late,
      this.#connection.process,
    ]);
    for (const token of [id.token, ...served]) this.#poller.drop({ key: id.key, token });
    return rows[0]![0] === 't' ? 'freed' : 'not-held';
  }

  async leave(key: string, tokens: readonly string[], late: boolean): Promise<void> {
    const args = [nameOf(key), tokens.map(tokenOf), late, this.#connection.process];
    const ask = (blind: boolean) => this.#connection.ask(key, this.#statements.leave, [...args, blind]);
    await ask(false).catch((fault: StoreError) => {
      if (!isRowLocked(fault)) throw fault;
      return ask(true);
    });
    for (const token of tokens) this.#poller.drop({ key, token });
  }

  async revoke(key: string, fence: number, grace: number): Promise<boolean> {
    const args = [nameOf(key), fence, Math.ceil(grace), this.#connection.process];
    const { rows } = await this.#connection.ask(key, this.#statements.revoke, args);
    return rows[0]![0] === 't';
  }

  async read(key: string): Promise<LockInfo | null> {
    const { rows } = await this.#connection.ask(key, this.#statements.read, [nameOf(key)]);
    return readInfo(key, rows[0]?.[0]);
  }

  async *list(prefix: string): AsyncIterable<LockInfo> {
    for (let since: string | undefined = ''; since !== undefined; ) {
      const { rows }: Answer = await this.#connection.askAny(this.#statements.list, [
        since,
        nameOf(prefix),
        PAGE,
      ]);
      for (const [, name, text] of rows) {
        const info = text ? readInfo(Buffer.from(name!, 'hex').toString(), text) : null;
        if (info) yield info;
      }
      since = rows.length === PAGE ? rows.at(-1)![0]! : undefined;
    }
  }

  async ping(): Promise<void> {
    await this.#connection.askAny('SELECT 1');
  }

  async close(): Promise<void> {
    this.#sweeper.stop();
    this.#poller.stop();
    this.#connection.close();
  }

  #receive(payload: string): void {
    const message = readMessage(payload);
    if (message?.kind === 'granted') this.#granted(message.id, message.fence, message.run);
    if (message?.kind === 'revoked') this.#events.revoked(message.id, message.grace);
    if (message?.kind === 'look-in') this.#events.lookIn(message.id.key, message.ms);
  }

  #granted(id: ClaimId, fence: number, run: readonly string[] = []): void {
    // A notification may come after the answer to a later command.
    this.#events.granted(id, { fence, run, asOf: -Infinity });
  }
}
