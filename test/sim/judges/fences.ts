import type { Evidence, Judge } from '../evidence.js';
import type { Request } from '../request.js';

interface Largest {
  fence: number;
  id: string;
}

export class Fences implements Judge {
  readonly name = 'fences';
  readonly promise = 'A fence is larger than every earlier one of its key, and a safe integer.';
  readonly #evidence: Evidence;
  /** By key: of all holds, and of the writers'. */
  readonly #largest = new Map<string, { all: Largest; written: Largest }>();

  constructor(evidence: Evidence) {
    this.#evidence = evidence;
  }

  settled(request: Request): void {
    if (!request.grip || !request.heldNow() || this.#evidence.dataLostSince(request.calledAt)) return;
    if (request.takenAway(this.#evidence.world.now)) return;
    // Without its record and its clock, a server knows no earlier fence.
    const { disturbances } = this.#evidence;
    if (disturbances.some(({ kind }) => kind === 'data') && disturbances.some(({ kind }) => kind === 'clock'))
      return;
    if (!Number.isSafeInteger(request.fence) || request.fence <= 0)
      this.#evidence.violate(this.name, `${request.id} has the fence ${request.fence}`);
    for (const key of request.keys) {
      const { all, written } = this.#of(key);
      const before = request.use.mode === 'write' ? all : written;
      if (request.fence <= before.fence)
        this.#evidence.violate(
          this.name,
          `${request.id} has the fence ${request.fence} of ${key} after ${before.id} had ${before.fence}`,
        );
      // That of several keys is the largest of theirs; it counts for each once it is released: see released.
      if (request.keys.length === 1) this.#count(key, request);
    }
  }

  released(request: Request, answer: boolean | 'outage'): void {
    if (answer !== true || request.keys.length === 1 || this.#evidence.dataLostSince(request.calledAt))
      return;
    if (!request.revoked) for (const key of request.keys) this.#count(key, request);
  }

  #count(key: string, { fence, id, use }: Request): void {
    const { all, written } = this.#of(key);
    for (const largest of use.mode === 'write' ? [all, written] : [all])
      if (fence > largest.fence) Object.assign(largest, { fence, id });
  }

  #of(key: string): { all: Largest; written: Largest } {
    let largest = this.#largest.get(key);
    if (!largest) {
      largest = { all: { fence: 0, id: '' }, written: { fence: 0, id: '' } };
      this.#largest.set(key, largest);
    }
    return largest;
  }
}
