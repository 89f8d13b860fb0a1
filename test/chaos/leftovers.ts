import { sleep } from '../support/wait.js';
import type { Topology } from './topology.js';

// Longer than anything that is left behind by a process that died may stay: a queue in which nobody waits any longer.
const LONGEST_MS = 65_000;

export interface Leftovers {
  readonly left: string[];
  /** How many locks are remembered that are idle. */
  readonly idle: number;
  /** How long it took, in ms. */
  readonly waited: number;
}

/** Waits for all locks to be idle, and tells what then is left: what killed processes leave is gone after a minute. */
export async function leftovers(topology: Topology): Promise<Leftovers> {
  const began = performance.now();
  for (;;) {
    const { busy, idle } = await topology.look();
    const waited = performance.now() - began;
    if (busy.length === 0 || waited > LONGEST_MS) return { left: [...busy], idle, waited };
    await sleep(500);
  }
}
