/**
 * 4 and 16 processes want one key all the time, and work 0 or 5 ms while they hold it: holds a second, how much of the
 * time it was held, how long they waited, and who starved: had less than half of the mean.
 */
import { median, quantile, sum } from '../../lib/stats.mjs';
import { figure, printTable, progress } from '../../lib/table.mjs';
import { atLeast, atMost } from '../../lib/targets.mjs';
import { connected, fork, machineNow } from '../children.mjs';

const MS = 1_200;
const ROUNDS = 2;

export async function processes({ waiters, url, ours }) {
  const children = fork(16);
  for (const count of [4, 16]) {
    for (const work of [0, 5]) {
      progress(`redis: ${count} processes, ${work} ms of work`);
      const all = new Map(waiters.map((one) => [one, []]));
      for (let round = 0; round < ROUNDS; round++) {
        for (const one of waiters) {
          const key = `contended-${one.id}-${count}-${work}-${round}`;
          const run = (some) => contend(some, key, work);
          all.get(one).push(await connected(children.slice(0, count), one, url, run));
        }
      }
      const results = new Map(waiters.map((one) => [one, summary(all.get(one))]));
      print(`${count} processes, one key, ${work} ms of work`, results);
      if (count === 16 && work === 5) judge(results, ours);
    }
  }
  for (const child of children) child.kill();
}

async function contend(children, key, work) {
  const start = machineNow() + 50;
  const answers = await Promise.all(
    children.map((child) => child.call('contend', key, work, start, start + MS)),
  );
  const holds = answers.map((answer) => answer.holds);
  const mean = sum(holds) / holds.length;
  const waits = answers.flatMap((answer) => answer.waits);
  return {
    rate: (sum(holds) * 1e3) / MS,
    held: sum(answers.map((answer) => answer.heldMs)) / MS,
    p50: quantile(waits, 0.5),
    p99: quantile(waits, 0.99),
    max: Math.max(...waits),
    starved: holds.filter((own) => own < mean / 2).length,
  };
}

function summary(runs) {
  const names = Object.keys(runs[0]);
  return Object.fromEntries(names.map((name) => [name, median(runs.map((run) => run[name]))]));
}

function print(title, results) {
  const rows = [...results].map(([{ name }, { rate, held, p50, p99, max, starved }]) => [
    name,
    rate,
    `${figure(held * 100)} %`,
    p50,
    p99,
    max,
    starved,
  ]);
  printTable(title, ['', 'holds/s', 'held', 'wait p50 ms', 'p99', 'max', 'starved'], rows);
}

function judge(results, ours) {
  const own = results.get(ours);
  const peers = [...results].filter(([one]) => one !== ours).map(([, result]) => result);
  const best = peers.reduce((one, other) => (other.rate > one.rate ? other : one));
  atLeast('redis, 16 processes, 5 ms of work, holds/s of the best peer', own.rate / best.rate, 1);
  atMost('redis, 16 processes, 5 ms of work, p99 wait of that peer', own.p99 / best.p99, 0.25);
}
