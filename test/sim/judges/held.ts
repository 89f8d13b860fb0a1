import type { Evidence, Judge } from '../evidence.js';
import type { Request } from '../request.js';

// What numbers with fractions are off by.
const ROUNDING_MS = 0.001;

export class Held implements Judge {
  readonly name = 'held';
  readonly promise =
    '`held` is true only while the lease is surely ours, counted from before the backend granted it; that of a killed process lasts as long.';
  readonly #evidence: Evidence;
  readonly #told = new Set<Request>();

  constructor(evidence: Evidence) {
    this.#evidence = evidence;
  }

  sample(): void {
    for (const request of this.#evidence.holding) {
      if (request.revoked || this.#told.has(request)) continue;
      const left = request.leftNow();
      if (left === 0 || this.#evidence.dataLostSince(request.calledAt)) continue;
      for (const key of request.keys) {
        const hold = this.#evidence.holdOf(request, key);
        const has = hold ? hold.until - this.#evidence.serverNow : 0;
        if (left <= has + ROUNDING_MS) continue;
        this.#told.add(request);
        const much = hold ? `for ${has.toFixed(3)} ms` : 'not at all';
        this.#evidence.violate(
          this.name,
          `${request.id} is sure to hold ${key} for ${left.toFixed(3)} ms, and has it ${much}`,
        );
      }
    }
  }
}
