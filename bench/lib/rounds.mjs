/**
 * Interleaved rounds. A round runs every contender once, and each round begins with another one, so that a noisy
 * neighbour hits all alike; the first rounds warm up the code and are thrown away.
 */
import { median } from './stats.mjs';

/**
 * @template T
 * @param {T[]} contenders
 * @param {(contender: T) => Promise<number>} run gives the figure of one round
 * @param {{ rounds?: number, warmUp?: number }} [options]
 * @returns {Promise<Map<T, { value: number, all: number[] }>>} the median of each, and what it is the median of
 */
export async function interleave(contenders, run, { rounds = 7, warmUp = 1 } = {}) {
  const all = new Map(contenders.map((contender) => [contender, []]));
  for (let round = -warmUp; round < rounds; round++) {
    for (let i = 0; i < contenders.length; i++) {
      const contender = contenders[(i + round + warmUp) % contenders.length];
      globalThis.gc?.();
      const figure = await run(contender);
      if (round >= 0) all.get(contender).push(figure);
    }
  }
  return new Map(contenders.map((one) => [one, { value: median(all.get(one)), all: all.get(one) }]));
}

/** How many ms `fn` takes. */
export async function timed(fn) {
  const start = performance.now();
  await fn();
  return performance.now() - start;
}

/** One contender's figure over another's: the median of the ratios within each round. */
export function ratio(figures, one, other) {
  const others = figures.get(other).all;
  return median(figures.get(one).all.map((figure, round) => figure / others[round]));
}
