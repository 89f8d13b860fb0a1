import type { ModelChange } from '../../../src/testing/model-lock.js';
import type { Evidence, Judge } from '../evidence.js';
import type { Request } from '../request.js';

const ROUNDING_MS = 1;

export class Rests implements Judge {
  readonly name = 'rests';
  readonly promise = 'With `atLeast`, nobody gets the key before that long after the grant.';
  readonly #evidence: Evidence;
  readonly #rests: { readonly key: string; readonly request: Request; readonly until: number }[] = [];

  constructor(evidence: Evidence) {
    this.#evidence = evidence;
  }

  released(request: Request, answer: boolean | 'outage'): void {
    const { atLeast, manner } = request.use;
    // What `with` answers does not say whether the lock was given back.
    if (atLeast === undefined || answer !== true || manner === 'with' || manner === 'tryWith') return;
    const until = request.settledAt! + atLeast / request.process.rate - ROUNDING_MS;
    for (const key of request.keys) this.#rests.push({ key, request, until });
  }

  changed(key: string, change: ModelChange): void {
    if (change.what !== 'entered') return;
    for (const { key: resting, request, until } of this.#rests) {
      if (resting !== key || this.#evidence.world.now >= until) continue;
      const clash = request.use.mode === 'write' || change.hold.mode === 'write';
      if (clash && !this.#evidence.dataLostSince(request.calledAt))
        this.#evidence.violate(
          this.name,
          `${change.hold.meta.id} gets ${key}, which rests after ${request.id}`,
        );
    }
  }
}
