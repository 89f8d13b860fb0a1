import type { Evidence, Judge } from '../evidence.js';
import type { Request } from '../request.js';

export class Leftovers implements Judge {
  readonly name = 'nothing left';
  readonly promise =
    'What was released, or given up, is gone from the store; nothing is left in the process.';
  readonly #evidence: Evidence;

  constructor(evidence: Evidence) {
    this.#evidence = evidence;
  }

  quiet(): void {
    const { server, requests, serverNow } = this.#evidence;
    for (const key of this.#evidence.keys) {
      const { holds, places } = server.lock(key);
      for (const { meta } of places) {
        const request = requests.get(meta.id ?? '')!;
        // Whom a hold was handed on to keeps its place until that is freed.
        const forgotten = request.grip !== undefined && request.use.end === 'forget';
        if (
          !request.process.dead &&
          this.#couldGiveUp(request) &&
          !forgotten &&
          !this.#evidence.dataLostSince(request.calledAt)
        )
          this.#evidence.violate(
            this.name,
            `${request.id} has a place in the queue of ${key}, and waits no more`,
          );
      }
      for (const hold of holds) {
        const request = requests.get(hold.meta.id ?? '')!;
        const over = hold.rests || hold.until <= serverNow || request.process.dead;
        if (
          !over &&
          this.#couldGiveUp(request) &&
          request.use.end !== 'forget' &&
          !this.#evidence.ranLate(request) &&
          !this.#evidence.dataLostSince(request.calledAt)
        )
          this.#evidence.violate(this.name, `the hold of ${hold.meta.id} on ${key} is left`);
      }
    }
  }

  /** One that closes while the server is away or refuses leaves places, which are passed over, and holds, which expire. */
  #couldGiveUp({ process, calledAt }: Request): boolean {
    return !this.#evidence.closing.has(process.name) || !this.#evidence.hindered(process, calledAt);
  }
}
