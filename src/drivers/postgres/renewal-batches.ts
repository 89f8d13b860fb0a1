import type { Renewal, RenewalAnswer, StoreError } from '../../engine/store.js';
import { metaOf, nameOf, readRenewals, tokenOf } from './codec.js';
import type { Connection } from './connection.js';
import type { Statement } from './link.js';

/** How many renewals one statement takes. */
export const RENEW_BATCH = 64;

/** Renews holds, over the connections that other commands about their keys take. */
export class RenewalBatches {
  readonly #connection: Connection;
  readonly #statement: Statement;

  constructor(connection: Connection, statement: Statement) {
    this.#connection = connection;
    this.#statement = statement;
  }

  /** @throws StoreError when all of them failed */
  async renew(batch: readonly Renewal[]): Promise<readonly RenewalAnswer[]> {
    const answers: RenewalAnswer[] = [];
    const byLane = new Map<unknown, number[]>();
    for (const [i, { key }] of batch.entries()) {
      const lane = this.#connection.laneOf(key);
      byLane.set(lane, [...(byLane.get(lane) ?? []), i]);
    }
    const renewed = [...byLane.values()].map(async (indices) => {
      const some = await this.#renewTogether(indices.map((i) => batch[i]!));
      for (const [k, i] of indices.entries()) answers[i] = some[k]!;
    });
    await Promise.all(renewed);
    if (answers.length > 0 && answers.every((answer) => answer instanceof Error)) throw answers[0];
    return answers;
  }

  /** One whose row is locked for a moment is tried again alone, so that it holds up none of the others. */
  async #renewTogether(batch: readonly Renewal[], waits = false): Promise<RenewalAnswer[]> {
    const args = [
      batch.map(({ key }) => nameOf(key)),
      batch.map(({ token }) => tokenOf(token)),
      batch.map(({ ttl }) => Math.ceil(ttl)),
      batch.map(({ sequence }) => sequence),
      // A role may have turned NULL in arrays off.
      batch.map(({ serves }) => serves?.fence ?? 0),
      batch.map(({ serves }) => (serves ? metaOf(serves.meta) : '')),
      this.#connection.process,
      waits,
    ];
    try {
      const answers = readRenewals(await this.#connection.ask(batch[0]!.key, this.#statement, args));
      return await Promise.all(
        answers.map(async (answer, i) => answer ?? (await this.#renewTogether([batch[i]!], true))[0]!),
      );
    } catch (error) {
      return batch.map(() => error as StoreError);
    }
  }
}
