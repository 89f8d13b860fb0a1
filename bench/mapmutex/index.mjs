/**
 * Part `mapmutex`: its six rows. One giant mutex against a mutex a key, both KeyedMutex, on the same work; beside them
 * what an ideal lock, and what any schedule, would have taken for the times that were really slept. All is sleep, so
 * all runs go on at once.
 */
import { figure, printTable, progress, times } from '../lib/table.mjs';
import { atLeast, atMost } from '../lib/targets.mjs';
import { makeShares, ROWS, work, workFreely } from './rows.mjs';
import { fifoSchedule, freeBound } from './schedules.mjs';

const NOTE = `ideal lock: each worker's actions in its order, keys served first come first served at no cost.
any schedule: the longer of all work / workers and the work of one key. A worker that waits for the key it happened
to pick idles while other keys are free, whatever the lock; "freely" are workers that take an action of a free key.
mapmutex printed its ratios rounded to whole numbers, and so are they compared here; with 2 keys none can be over 2.`;

export async function run({ scale }) {
  progress(`mapmutex at scale ${scale}: about ${Math.round(scale * 210)} s`);
  await measure(ROWS[0], makeShares(ROWS[0], 0));
  // All is made before any clock starts.
  const plans = ROWS.map((row) => makeShares(row, scale));
  const results = await Promise.all(ROWS.map((row, i) => measure(row, plans[i])));
  const rows = results.map(({ name, giant, keyed, ideal, bound, freely, freelyBound }) => [
    name,
    giant,
    keyed,
    times(giant / keyed),
    times(giant / bound),
    ideal,
    figure(keyed / ideal),
    bound,
    figure(keyed / bound),
    freely,
    figure(freely / freelyBound),
  ]);
  const head = [
    '',
    'giant ms',
    'keyed ms',
    'faster',
    'at best',
    'ideal lock ms',
    'of it',
    'any schedule ms',
    'of it',
    'freely ms',
    'of it',
  ];
  printTable(`mapmutex: actions_keys_workers_mean ms, times x ${scale}`, head, rows, NOTE);
  for (const { name, giant, keyed, target } of results)
    atLeast(`mapmutex ${name}, of the giant mutex, rounded`, Math.round(giant / keyed), target);
  const worst = (ratio) => Math.max(...results.map(ratio));
  const ofIdeal = worst(({ keyed, ideal }) => keyed / ideal);
  const ofBound = worst(({ keyed, bound }) => keyed / bound);
  const freelyOfBound = worst(({ freely, freelyBound }) => freely / freelyBound);
  atMost('mapmutex, of the ideal lock with the same workers, worst row', ofIdeal, 1.05);
  atMost('mapmutex, of any schedule, workers insist on their key, worst row', ofBound, 1.05);
  atMost('mapmutex, of any schedule, workers take a free key, worst row', freelyOfBound, 1.05);
}

async function measure(row, shares) {
  const [giant, keyed, freely] = await Promise.all([
    work(shares, () => 'giant'),
    work(shares, (key) => key),
    workFreely(shares),
  ]);
  return {
    name: `${row.actions}_${row.keys}_${row.workers}_${row.mean}`,
    target: row.target,
    giant: giant.ms,
    keyed: keyed.ms,
    ideal: fifoSchedule(keyed.shares),
    bound: freeBound(keyed.shares),
    freely: freely.ms,
    freelyBound: freeBound(freely.shares),
  };
}
