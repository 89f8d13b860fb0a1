/**
 * mapmutex's own benchmark. Workers do their equal shares of the actions one after the other; an action locks a key
 * picked at random and works a random time under it, 0 to twice the mean, in whole ms at scale 1.
 */
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { KeyedMutex } from '../lib/latchkey.mjs';

/** Its six rows: actions, keys, workers, mean ms; how often it must beat the giant mutex. */
export const ROWS = [
  [1_000, 100, 20, 20, 11],
  [1_000, 20, 20, 20, 7],
  [1_000, 20, 40, 20, 11],
  [1_000, 2, 40, 20, 2],
  [1_000, 20, 40, 60, 9],
  [10_000, 20, 40, 20, 11],
].map(([actions, keys, workers, mean, target]) => ({ actions, keys, workers, mean, target }));

/** The work of every worker: keys and ms. Made once, so that the giant mutex and the keyed one get the same. */
export function makeShares({ actions, keys, workers, mean }, scale) {
  const shares = Array.from({ length: workers }, () => []);
  for (let i = 0; i < actions; i++) {
    const ms = Math.floor(Math.random() * 2 * mean) * scale;
    shares[i % workers].push({ key: Math.floor(Math.random() * keys), ms });
  }
  return shares;
}

/**
 * Does the work. `keyOf` says what to lock for an action.
 * @returns {Promise<{ ms: number, shares: { key: number, ms: number }[][] }>} how long it took; the times really slept
 */
export async function work(shares, keyOf) {
  const mutex = new KeyedMutex();
  await setImmediate();
  const start = performance.now();
  const slept = await Promise.all(
    shares.map(async (share) => {
      const times = [];
      for (const { key, ms } of share) {
        await mutex.lock(keyOf(key));
        times.push(await act(key, ms));
        mutex.unlock(keyOf(key));
      }
      return times;
    }),
  );
  return { ms: performance.now() - start, shares: slept };
}

/** The same work by workers that do not insist: each takes an action of a free key, of the one with most left. */
export async function workFreely(shares) {
  const mutex = new KeyedMutex();
  const left = new Map();
  for (const action of shares.flat()) {
    const actions = left.get(action.key);
    if (actions) actions.push(action);
    else left.set(action.key, [action]);
  }
  await setImmediate();
  const start = performance.now();
  const slept = await Promise.all(
    shares.map(async () => {
      const times = [];
      for (let action = take(left, mutex); action; action = take(left, mutex)) {
        await mutex.lock(action.key);
        times.push(await act(action.key, action.ms));
        mutex.unlock(action.key);
      }
      return times;
    }),
  );
  return { ms: performance.now() - start, shares: slept };
}

function take(left, mutex) {
  let best;
  const free = (key) => Number(!mutex.isLocked(key));
  for (const [key, actions] of left) {
    if (actions.length === 0) continue;
    const better = best === undefined ? 1 : free(key) - free(best) || actions.length - left.get(best).length;
    if (better > 0) best = key;
  }
  return best === undefined ? undefined : left.get(best).pop();
}

async function act(key, ms) {
  const from = performance.now();
  await sleep(ms);
  return { key, ms: performance.now() - from };
}
