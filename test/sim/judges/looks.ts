import type { ModelChange, ModelPlace } from '../../../src/testing/model-lock.js';
import type { Evidence, Judge } from '../evidence.js';

const LONGEST_LOOK_MS = 5_000;

export class Looks implements Judge {
  readonly name = 'looks';
  readonly promise =
    'A waiter that hears nothing looks by itself, within 5 s: one look serves all of its process.';
  readonly #evidence: Evidence;
  /** By key and process: the last claim. */
  readonly #last = new Map<string, number>();

  constructor(evidence: Evidence) {
    this.#evidence = evidence;
  }

  changed(key: string, change: ModelChange): void {
    if (change.what !== 'placed' && change.what !== 'kept') return;
    const name = `${key} ${change.place.process}`;
    const { now } = this.#evidence.world;
    this.#last.set(name, now);
    this.#check(key, name, change.place.process, now);
  }

  #check(key: string, name: string, process: string, at: number): void {
    const { world, network, processes } = this.#evidence;
    const owner = processes.get(process)!;
    const bound = LONGEST_LOOK_MS / owner.rate + 4 * (network.latency[1] + owner.lateness) + 50;
    world.afterAllAt(at + bound, () => {
      if (this.#last.get(name) !== at || owner.dead || !this.#waits(key, process)) return;
      if (!this.#evidence.hindered(owner, at - bound))
        this.#evidence.violate(
          this.name,
          `${process} waits for ${key} and has not looked for ${bound.toFixed(0)} ms`,
        );
    });
  }

  #waits(key: string, process: string): boolean {
    const waits = ({ process: owner, ...place }: ModelPlace) =>
      owner === process && this.#evidence.requestOf(place)?.waits;
    return this.#evidence.server.lock(key).places.some(waits);
  }
}
