import type { ModelChange, ModelPlace } from '../../../src/testing/model-lock.js';
import type { Evidence, Judge } from '../evidence.js';
import type { Request } from '../request.js';

// A process that was hindered within this time may have lost its places.
const PLACES_LAST_MS = 20_000;

export class Order implements Judge {
  readonly name = 'order';
  readonly promise =
    'Who waits first is served first, in all processes together: in the order in which claims reach the server.';
  readonly #evidence: Evidence;
  readonly #arrivals = new WeakMap<ModelPlace, number>();
  #arrived = 0;

  constructor(evidence: Evidence) {
    this.#evidence = evidence;
  }

  /** Between processes: nobody is granted the lock past a live place. */
  changed(key: string, change: ModelChange): void {
    if (change.what === 'placed') this.#arrivals.set(change.place, this.#arrived++);
    if (change.what !== 'entered') return;
    const { hold, place } = change;
    const arrival = place ? this.#arrivals.get(place)! : Infinity;
    for (const before of this.#evidence.server.lock(key).places)
      if (this.#arrivals.get(before)! < arrival && this.#lives(before))
        this.#passed(key, hold.meta.id, before.meta.id);
  }

  settled(request: Request): void {
    if (!request.grip || request.use.retry || request.once) return;
    for (const key of request.keys) this.#checkHandedOn(key, request);
    const [key, ...more] = request.keys;
    if (more.length === 0) this.#checkInside(key!, request);
  }

  /** A hold that is handed on goes to the next place that lives. */
  #checkHandedOn(key: string, request: Request): void {
    const { places } = this.#evidence.server.lock(key);
    const own = places.findIndex((place) => this.#evidence.requestOf(place) === request);
    for (const before of places.slice(0, Math.max(0, own))) {
      const other = this.#evidence.requestOf(before);
      if (other && this.#waits(other, key) && this.#lives(before)) this.#passed(key, request.id, other.id);
    }
  }

  /** Inside a process: in the order of asking. */
  #checkInside(key: string, request: Request): void {
    for (const other of this.#evidence.waiting) {
      if (other.process !== request.process || other.calledAt >= request.calledAt) continue;
      if (other.use.retry || other.once || other.keys.length > 1 || other.keys[0] !== key) continue;
      if (this.#evidence.hindered(other.process, other.calledAt) || this.#evidence.isBrief(other)) continue;
      if (this.#waits(other, key)) this.#passed(key, request.id, other.id);
    }
  }

  /** Whether it has neither the lock, nor had it and was revoked, nor given up. */
  #waits(other: Request, key: string): boolean {
    const { now } = this.#evidence.world;
    if (this.#evidence.wasRevoked(other)) return false;
    return other.waits && !other.givenUp(now) && !this.#evidence.hasHold(other, key);
  }

  #lives({ process }: ModelPlace): boolean {
    const owner = this.#evidence.processes.get(process)!;
    return !owner.dead && !this.#evidence.hindered(owner, this.#evidence.world.now - PLACES_LAST_MS);
  }

  #passed(key: string, id: string | undefined, passed: string | undefined): void {
    this.#evidence.violate(this.name, `${id} is granted ${key} before ${passed}, which came first and waits`);
  }
}
