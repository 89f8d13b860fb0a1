import type { RenewingStore, StoreEvents } from '../../engine/store.js';
import type { Dialler } from './client.js';
import { Connection, type ConnectionParts } from './connection.js';
import { RENEW_BATCH, RenewalBatches } from './renewal-batches.js';
import { statementsIn } from './statements.js';

/** What a thread needs to renew holds that the main thread has: one connection, to which no messages are sent. */
export class RenewalStore implements RenewingStore {
  readonly limits = { renewBatch: RENEW_BATCH };
  readonly renew: RenewingStore['renew'];
  readonly #connection: Connection;
  #events!: StoreEvents;

  constructor(dialler: Dialler, parts: ConnectionParts) {
    const events = {
      ready: () => this.#events.ready(),
      lost: () => {},
      message: () => {},
    };
    this.#connection = new Connection({ ...dialler, connections: 1 }, parts, events, 'renewals');
    const batches = new RenewalBatches(this.#connection, statementsIn(dialler.schema).renew);
    this.renew = (batch) => batches.renew(batch);
  }

  open(events: StoreEvents): void {
    this.#events = events;
    this.#connection.open();
  }
}
