import type { ModelChange } from '../../../src/testing/model-lock.js';
import type { Evidence, Judge } from '../evidence.js';
import type { Request } from '../request.js';

export class Exclusion implements Judge {
  readonly name = 'exclusion';
  readonly promise = 'At most one writer, or any number of readers, holds a key.';
  readonly #evidence: Evidence;

  constructor(evidence: Evidence) {
    this.#evidence = evidence;
  }

  /** Nobody surely holds what is granted to somebody else. */
  changed(key: string, change: ModelChange): void {
    if (change.what !== 'entered') return;
    const { mode, limit, meta } = change.hold;
    const others = this.#others(key, meta.id);
    for (const other of others)
      if (mode === 'write' || other.use.mode === 'write') this.#clash(key, meta.id!, other);
    if (mode === 'read' && others.length >= limit)
      this.#evidence.violate(
        this.name,
        `${meta.id} enters ${key} by limit ${limit}, and ${others.length} are inside`,
      );
  }

  settled(request: Request): void {
    if (!request.grip || this.#evidence.dataLostSince(request.calledAt) || !request.heldNow()) return;
    if (request.takenAway(this.#evidence.world.now)) return;
    for (const key of request.keys) {
      for (const other of this.#others(key, request.id))
        if (request.use.mode === 'write' || other.use.mode === 'write') this.#clash(key, request.id, other);
    }
  }

  #others(key: string, id: string | undefined): Request[] {
    return [...this.#evidence.holding].filter(
      (other) =>
        other.id !== id &&
        other.keys.includes(key) &&
        !other.takenAway(this.#evidence.world.now) &&
        !this.#evidence.dataLostSince(other.calledAt) &&
        other.heldNow(),
    );
  }

  #clash(key: string, id: string, other: Request): void {
    this.#evidence.violate(this.name, `${id} gets ${key} while ${other.id} surely holds it`);
  }
}
