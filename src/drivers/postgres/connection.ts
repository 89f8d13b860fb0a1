import { randomBytes } from 'node:crypto';
import type { Client } from 'pg';
import type { Clock } from '../../core/clock.js';
import { LockConfigError } from '../../core/errors.js';
import type { Random } from '../../core/random.js';
import type { StoreError } from '../../engine/store.js';
import type { Dialler } from './client.js';
import { storeError } from './fault.js';
import { type Answer, type Ask, Link, type Statement } from './link.js';
import { checkSameDatabase, DeafError, type Inbox, inboxOf, isDirect, listen } from './listener.js';
import { ensureSchema } from './schema.js';

export interface ConnectionEvents {
  /** All connections are there, for the first time or again. */
  ready(): void;
  lost(fault: StoreError): void;
  message(payload: string): void;
}

export interface ConnectionParts {
  readonly clock: Clock;
  readonly random: Random;
}

const warned = new Set<string>();

/**
 * Our connections to PostgreSQL: a few for commands, chosen by key so that those about one key keep their order, and one
 * that listens.
 */
export class Connection {
  readonly #dialler: Dialler;
  readonly #clock: Clock;
  readonly #events: ConnectionEvents;
  readonly #inbox: Inbox = inboxOf(randomBytes(8).readBigUInt64BE() >> 1n);
  readonly #lanes: readonly Link[];
  /** None where no messages are sent to this connection. */
  readonly #listener: Link | undefined;
  /** Whether it has used the schema. */
  #running = false;
  #listening = false;
  #deaf = false;
  #ready = false;
  /** The fault that was told last. */
  #told = '';
  #closed = false;

  constructor(
    dialler: Dialler,
    { clock, random }: ConnectionParts,
    events: ConnectionEvents,
    purpose: 'commands' | 'renewals' = 'commands',
  ) {
    this.#dialler = dialler;
    this.#clock = clock;
    this.#events = events;
    const parts = { clock, random, address: dialler.address };
    const down = (fault: Error) => this.#down(fault);
    const lane = (): Link => {
      const link: Link = new Link(
        { ...parts, dial: () => dialler.dial(purpose) },
        { prepare: (ask, client) => this.#prepare(link, ask, client), up: () => this.#up(), down },
      );
      return link;
    };
    this.#lanes = Array.from({ length: dialler.connections }, lane);
    if (purpose === 'renewals') return;
    this.#listener = new Link(
      { ...parts, dial: () => dialler.dial('messages') },
      { prepare: (ask, client) => this.#listen(ask, client), up: () => this.#up(), down },
    );
  }

  /** The number of this process in the database: negative where messages do not reach it, null where none are sent. */
  get process(): string | null {
    if (!this.#listener) return null;
    return this.#deaf ? `-${this.#inbox.process}` : this.#inbox.process;
  }

  /** Whether messages do not reach it. */
  get deaf(): boolean {
    return this.#deaf;
  }

  open(): void {
    for (const lane of this.#lanes) lane.open();
  }

  /** Over the connection that all commands about this key take. @throws StoreError */
  ask(key: string, statement: Statement | string, values?: readonly unknown[]): Promise<Answer> {
    return this.laneOf(key).ask(statement, values);
  }

  /** For what must be sent in the order of other commands about its key; while that is lost, another one. */
  laneOf(key: string): Link {
    let hash = 0;
    for (let i = 0; i < key.length; i++) hash = (Math.imul(hash, 31) + key.charCodeAt(i)) | 0;
    const own = this.#lanes[(hash >>> 0) % this.#lanes.length]!;
    return own.up ? own : (this.#lanes.find(({ up }) => up) ?? own);
  }

  /** For what is about no key. @throws StoreError */
  askAny(statement: Statement | string, values?: readonly unknown[]): Promise<Answer> {
    return this.#lanes[0]!.ask(statement, values);
  }

  close(): void {
    this.#closed = true;
    for (const link of [...this.#lanes, this.#listener]) link?.close();
  }

  async #prepare(link: Link, ask: Ask, client: Client): Promise<void> {
    const direct = await isDirect(ask, client);
    // In a session of ours, whatever its default is now or becomes.
    const set = (name: string, value: string) =>
      direct ? `set_config('${name}', '${value}', false)` : `current_setting('${name}')`;
    const { rows } = await ask(
      `SELECT current_setting('server_version_num')::int / 10000, pg_is_in_recovery(), ${set('default_transaction_isolation', 'read committed')}, ${set('client_min_messages', 'warning')}`,
    );
    const [version, standby, isolation, messages] = rows[0]!;
    if (Number(version) < 13)
      throw new LockConfigError(`the server has version ${version}, and 13 or later is needed`);
    if (standby === 't') throw new Error('it is a standby, and locks need the primary');
    if (isolation !== 'read committed')
      throw new LockConfigError(
        `default_transaction_isolation is "${isolation}" behind a pooler, and "read committed" is needed`,
      );
    // A warning tells that a commit was not confirmed by the standby.
    if (messages === 'error')
      throw new LockConfigError(
        'client_min_messages is "error" behind a pooler, and "warning" or less is needed',
      );
    await ensureSchema(ask, this.#dialler.schema, { running: this.#running });
    this.#running = true;
    if (direct) link.prepareNamed();
  }

  async #listen(ask: Ask, client: Client): Promise<void> {
    const { address } = this.#dialler;
    const parts = { ask, client, clock: this.#clock };
    const receive = (payload: string) => this.#events.message(payload);
    try {
      await listen(this.#inbox, parts, receive, (sql) => this.askAny(sql));
      const lane = this.#lanes.find(({ up }) => up);
      if (lane) await checkSameDatabase(this.#inbox, (sql) => lane.ask(sql), ask);
      this.#deaf = false;
    } catch (error) {
      if (!(error instanceof DeafError)) throw error;
      this.#deaf = true;
      if (warned.has(address) || this.#closed) return;
      warned.add(address);
      process.emitWarning(
        `PostgreSQL at ${address} is behind a pooler that LISTEN does not pass: waiters ask again and again. Set listenUrl to the server's own address.`,
        { code: 'LATCHKEY_LISTEN' },
      );
    }
  }

  #up(): void {
    if (this.#closed || this.#ready || this.#lanes.some((lane) => !lane.up)) return;
    if (!this.#listening) {
      this.#listening = true;
      this.#listener?.open();
    }
    if (this.#listener?.up === false) return;
    this.#ready = true;
    this.#events.ready();
  }

  #down(fault: Error): void {
    const told = storeError(this.#dialler.address, fault, 'not-sent');
    if (this.#closed || (!this.#ready && told.message === this.#told)) return;
    this.#ready = false;
    this.#told = told.message;
    this.#events.lost(told);
  }
}
