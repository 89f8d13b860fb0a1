import type { Socket } from 'node:net';
import type { Client } from 'pg';
import { type Clock, LOOK_MS, LOOKS, type Timer } from '../../core/clock.js';
import type { Random } from '../../core/random.js';
import { endsSession, outcomeOf, storeError } from './fault.js';

/** What a statement answered, as text, and `clock.now()` from before it was sent. */
export interface Answer {
  readonly rows: readonly (readonly (string | null)[])[];
  readonly sentAt: number;
}

export interface Statement {
  /** Under which it is prepared; not behind a pooler. */
  readonly name: string;
  readonly text: string;
}

/** Asks over the connection that a {@link Link} prepares. */
export type Ask = (statement: Statement | string, values?: readonly unknown[]) => Promise<Answer>;

export interface LinkEvents {
  /** Makes a new connection fit for use; it fails for one that is not. */
  prepare(ask: Ask, client: Client): Promise<void>;
  up(): void;
  /** It is lost, or could not be made. */
  down(fault: Error): void;
}

interface Parts {
  readonly clock: Clock;
  readonly random: Random;
  readonly address: string;
  readonly dial: () => Client;
}

// How long the server may be silent while an answer is due, and how often an idle connection is tried. Not less often: what
// is sent meanwhile is looked at only then.
const SILENCE_MS = 2_000;
const LONGEST_RETRY_MS = 1_000;
// How long what was sent may take to leave, at the end.
const FLUSH_MS = 1_000;

/** One connection, made again whenever it is lost. What is asked is sent at once, and answered in that order. */
export class Link {
  readonly #parts: Parts;
  readonly #events: LinkEvents;
  #client: Client | undefined;
  #up = false;
  #named = false;
  #closed = false;
  #fault: Error = new Error('not connected yet');
  #tries = 0;
  #retry: Timer | undefined;
  #watch: Timer | undefined;
  /** When the last answer came. */
  #heardAt = -Infinity;
  /** The statements on their way, the oldest first. */
  readonly #sent: { readonly at: number; unsure: boolean }[] = [];

  constructor(parts: Parts, events: LinkEvents) {
    this.#parts = parts;
    this.#events = events;
  }

  get up(): boolean {
    return this.#up;
  }

  get fault(): Error {
    return this.#fault;
  }

  /** Whether statements are prepared: the server's session is ours alone. */
  prepareNamed(): void {
    this.#named = true;
  }

  open(): void {
    if (!this.#closed) void this.#connect();
  }

  /** @throws StoreError */
  ask(statement: Statement | string, values?: readonly unknown[]): Promise<Answer> {
    if (this.#up) return this.#ask(this.#client!, statement, values);
    return Promise.reject(storeError(this.#parts.address, this.#fault, 'not-sent'));
  }

  close(): void {
    this.#closed = true;
    this.#retry?.cancel();
    if (this.#client) this.#lost(this.#client, new Error('closed'));
  }

  async #connect(): Promise<void> {
    const { dial, address } = this.#parts;
    let client: Client | undefined;
    try {
      const dialled = dial();
      client = dialled;
      this.#client = dialled;
      this.#named = false;
      dialled.on('error', (error) => this.#lost(dialled, error));
      dialled.on('end', () => this.#lost(dialled, new Error('connection closed')));
      dialled.on('notice', ({ routine }) => {
        // A wait for a standby was cancelled: it is committed here, and perhaps nowhere else.
        const answering = this.#client === dialled ? this.#sent[0] : undefined;
        if (answering && routine === 'SyncRepWaitForLSN') answering.unsure = true;
      });
      await dialled.connect();
      if (this.#client !== dialled) return;
      await this.#events.prepare((statement, values) => this.#ask(dialled, statement, values), dialled);
    } catch (error) {
      const fault = storeError(address, error, 'not-sent');
      if (client) this.#lost(client, fault);
      else this.#retryLater(fault);
      return;
    }
    if (this.#client !== client) return;
    this.#tries = 0;
    this.#up = true;
    this.#look();
    this.#events.up();
  }

  #ask(client: Client, statement: Statement | string, values?: readonly unknown[]): Promise<Answer> {
    const { clock, address } = this.#parts;
    const { name, text } = typeof statement === 'string' ? { text: statement } : statement;
    const query = {
      text,
      rowMode: 'array' as const,
      ...(values && { values: values as unknown[] }),
      ...(name !== undefined && this.#named && { name }),
    };
    const sent = { at: clock.now(), unsure: false };
    this.#sent.push(sent);
    if (!this.#watch) this.#look();
    return new Promise((resolve, reject) => {
      // With a promise of pg's, the answers after this one would be read before it is taken off.
      client.query(query, (error: Error | undefined, result?: { rows: unknown }) => {
        if (this.#client === client) {
          this.#sent.splice(this.#sent.indexOf(sent), 1);
          this.#heardAt = clock.now();
        }
        const fault = error ?? (sent.unsure ? new Error('the standby did not confirm in time') : undefined);
        if (!fault) return resolve({ rows: result!.rows as Answer['rows'], sentAt: sent.at });
        // What is sent again is not to go over this one, which is about to close.
        if (endsSession(fault)) this.#lost(client, storeError(address, fault, 'not-sent'));
        reject(storeError(address, fault, outcomeOf(fault)));
      });
    });
  }

  #look(overdue = 0): void {
    this.#watch?.cancel();
    const { clock } = this.#parts;
    const client = this.#client;
    const due = (this.#silentSince ?? clock.now()) + SILENCE_MS - clock.now();
    const timer = clock.after(Math.max(due, LOOK_MS), () => {
      if (this.#watch !== timer || !client || this.#client !== client) return;
      this.#watch = undefined;
      const silent = this.#silentSince;
      if (silent === undefined) {
        if (this.#up) void this.#ask(client, 'SELECT').catch(() => {});
        else this.#look();
      } else if (clock.now() < silent + SILENCE_MS) this.#look();
      // This process may have been busy, and the answer be here and unread.
      else if (overdue < LOOKS) this.#look(overdue + 1);
      else this.#lost(client, new Error(`no answer for ${SILENCE_MS} ms`));
    });
    timer.keepAlive(false);
    this.#watch = timer;
  }

  /** Since when an answer is due; undefined where none is. Of thousands that were sent at once the last one waits for long. */
  get #silentSince(): number | undefined {
    const oldest = this.#sent[0]?.at;
    return oldest === undefined ? undefined : Math.max(oldest, this.#heardAt);
  }

  #lost(client: Client, fault: Error): void {
    if (this.#client !== client) return;
    this.#client = undefined;
    this.#up = false;
    this.#sent.length = 0;
    this.#watch?.cancel();
    this.#watch = undefined;
    hangUp(client, this.#closed ? this.#parts.clock : undefined);
    this.#retryLater(fault);
  }

  #retryLater(fault: Error): void {
    this.#fault = fault;
    if (this.#closed) return;
    this.#events.down(fault);
    const { clock, random } = this.#parts;
    const longest = Math.min(25 * 2 ** this.#tries++, LONGEST_RETRY_MS);
    // As a connection does, this keeps the process alive: somebody may be waiting.
    this.#retry = clock.after(longest * (0.5 + random() / 2), () => void this.#connect());
  }
}

/**
 * What is on its way rejects. With a clock, the server is told, and gets what was sent before, if it reads that soon: a
 * silent one is not waited for.
 */
export function hangUp(client: Client, politely: Clock | undefined): void {
  const { connection } = client as unknown as { connection: { end(): void; stream: Socket } };
  const { stream } = connection;
  if (!politely) return void stream.destroy();
  connection.end();
  stream.destroySoon();
  const late = politely.after(FLUSH_MS, () => stream.destroy());
  late.keepAlive(false);
  stream.once('close', () => late.cancel());
}
