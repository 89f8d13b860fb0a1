import type { Evidence, Judge } from '../evidence.js';

export class Leftovers implements Judge {
  readonly name = 'nothing left';
  readonly promise =
    'What was released, or given up, is gone from the store; nothing is left in the process.';
  readonly #evidence: Evidence;

  constructor(evidence: Evidence) {
    this.#evidence = evidence;
  }

  quiet(): void {
    const { server, requests, serverNow, processes, closing } = this.#evidence;
    for (const key of this.#evidence.keys) {
      const { holds, places } = server.lock(key);
      for (const { process, meta } of places) {
        const request = requests.get(meta.id ?? '')!;
        const owner = processes.get(process)!;
        // One that closes while the server is away leaves places, which are passed over.
        const could = !closing.has(process) || !this.#evidence.hindered(owner, request.calledAt);
        // Whom a hold was handed on to keeps its place until that is freed.
        const forgotten = request.grip !== undefined && request.use.end === 'forget';
        if (!owner.dead && could && !forgotten && !this.#evidence.dataLostSince(request.calledAt))
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
          request.use.end !== 'forget' &&
          !this.#evidence.ranLate(request) &&
          !this.#evidence.dataLostSince(request.calledAt)
        )
          this.#evidence.violate(this.name, `the hold of ${hold.meta.id} on ${key} is left`);
      }
    }
  }
}
