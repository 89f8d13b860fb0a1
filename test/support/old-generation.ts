import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const used = () =>
  getHeapSpaceStatistics().find((space) => space.space_name === 'old_space')!.space_used_size;

/**
 * MB that are left for a full garbage collection to find, of 80 that stayed for 64 others each: `change` adds the value and
 * removes the one that was added 64 times before.
 */
export function leftInOldGeneration(change: (added: number, value: object, removed: number) => void): number {
  setFlagsFromString('--expose-gc');
  for (let i = 0; i < 64; i++) change(i, {}, i - 64);
  // What it is kept in is in the old generation from here on.
  runInNewContext('gc')();
  const before = used();
  let most = before;
  for (let i = 64; i < 20_064; i++) {
    change(i, new Array(500).fill(i), i - 64);
    // A full collection may come in between.
    if (i % 100 === 0) most = Math.max(most, used());
  }
  return (most - before) / 1e6;
}
