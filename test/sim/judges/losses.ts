import type { Evidence, Judge } from '../evidence.js';
import type { Request } from '../request.js';

export class Losses implements Judge {
  readonly name = 'losses';
  readonly promise = 'A lease that is renewed survives faults that pass before its time is up.';
  readonly #evidence: Evidence;

  constructor(evidence: Evidence) {
    this.#evidence = evidence;
  }

  lost(request: Request, reason: string): void {
    const { use, process } = request;
    const now = process.present;
    const longHeld = use.maxHold !== undefined && now - request.settledAt! >= use.maxHold / process.rate - 1;
    if (reason === 'maxHold') {
      if (!longHeld) this.#tell(request, reason);
    } else if (reason === 'closed') {
      if (!this.#evidence.closing.has(process.name)) this.#tell(request, reason);
    } else if (reason === 'revoked') {
      // The message is about a claim: it may come when that has another hold.
      if (!this.#evidence.wasRevoked(request)) this.#tell(request, reason);
    } else if (!request.renews && reason !== 'stolen') {
      if (request.heldNow()) this.#tell(request, reason);
    } else if (
      !request.revoked &&
      !this.#evidence.isBrief(request) &&
      !this.#evidence.hindered(process, now - 2 * Math.max(use.ttl, ...(use.refresh ?? [])) - 1_000)
    ) {
      this.#tell(request, reason);
    }
  }

  #tell(request: Request, reason: string): void {
    this.#evidence.violate(
      this.name,
      `${request.id} is told that it is lost (${reason}), and nothing has hindered it`,
    );
  }
}
