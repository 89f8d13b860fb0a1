/**
 * Semaphores between processes: 5 permits of one key, and 10 callers in each of 5 and 16 processes who work for 5 ms: the
 * share of their time in which the permits are taken, how long the callers waited, commands a hold, and how many callers
 * starved: had less than half of the mean. Beside it, what a permit costs that nobody else wants.
 */
import { median, quantile, sum } from '../../lib/stats.mjs';
import { figure, printTable, progress } from '../../lib/table.mjs';
import { atLeast, atMost } from '../../lib/targets.mjs';
import { connected, fork, machineNow } from '../children.mjs';

const PERMITS = 5;
const CALLERS = 10;
const WORK_MS = 5;
const MS = 1_500;
const ROUNDS = 3;
const FREE = 2_000;

export async function permits(context) {
  const able = context.contenders.filter((one) => one.permits);
  const children = fork(16);
  await free(context, able, children);
  for (const count of [5, 16]) {
    progress(`redis: ${PERMITS} permits, ${count * CALLERS} callers in ${count} processes`);
    const all = new Map(able.map((one) => [one, []]));
    for (let round = 0; round < ROUNDS; round++) {
      for (const one of able) {
        const run = (some) => contend(context.server, one, some, `permits-${one.id}-${count}-${round}`);
        all.get(one).push(await connected(children.slice(0, count), one, context.url, run));
      }
    }
    const results = new Map(able.map((one) => [one, summary(all.get(one))]));
    print(
      `${PERMITS} permits, ${count * CALLERS} callers in ${count} processes, ${WORK_MS} ms of work`,
      results,
    );
    if (count === 5 && results.has(context.ours)) judge(results.get(context.ours));
  }
  for (const child of children) child.kill();
}

async function free({ url }, able, children) {
  progress('redis: free permits');
  const rows = new Map(able.map((one) => [one, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const one of able) {
      const run = ([child]) => child.call('freePermits', `free-permits-${one.id}`, PERMITS, FREE);
      rows.get(one).push(await connected(children.slice(0, 1), one, url, run));
    }
  }
  printTable(
    'A free permit, one caller',
    ['', 'µs'],
    [...rows].map(([{ name }, times]) => [name, median(times)]),
  );
}

async function contend(server, one, children, key) {
  await server.reset();
  const start = machineNow() + 50;
  const end = start + MS;
  const answers = await Promise.all(
    children.map((child) => child.call('permits', key, PERMITS, CALLERS, WORK_MS, start, end)),
  );
  const calls = await server.commands();
  const callers = answers.flat();
  const holds = callers.flat();
  const waits = holds.map(({ waited }) => waited);
  const counts = callers.map(({ length }) => length);
  return {
    rate: (holds.filter(({ to }) => to <= end).length * 1e3) / MS,
    // All are there after the first tenth.
    ...taken(holds, start + MS / 10, end),
    commands: sum(one.sends.map((name) => calls.get(name) ?? 0)) / holds.length,
    p50: quantile(waits, 0.5),
    p99: quantile(waits, 0.99),
    max: Math.max(...waits),
    starved: counts.filter((own) => own < sum(counts) / counts.length / 2).length,
  };
}

/** From `start` to `end`: the share of the permits' time in which they are taken, and of the time in which all are at once. */
function taken(holds, start, end) {
  const inTime = (at) => Math.min(end, Math.max(start, at));
  const changes = holds.flatMap(({ from, to }) => [
    [inTime(from), 1],
    [inTime(to), -1],
  ]);
  let inside = 0;
  let since = start;
  let some = 0;
  let all = 0;
  for (const [at, change] of changes.sort(([a, by], [b, other]) => a - b || by - other)) {
    some += (at - since) * inside;
    if (inside >= PERMITS) all += at - since;
    since = at;
    inside += change;
  }
  return { taken: some / PERMITS / (end - start), all: all / (end - start) };
}

function summary(runs) {
  const names = Object.keys(runs[0]);
  return Object.fromEntries(names.map((name) => [name, median(runs.map((run) => run[name]))]));
}

function print(title, results) {
  const rows = [...results].map(([{ name }, { rate, taken, all, commands, p50, p99, max, starved }]) => [
    name,
    rate,
    `${figure(taken * 100)} %`,
    `${figure(all * 100)} %`,
    commands,
    p50,
    p99,
    max,
    starved,
  ]);
  const head = [
    '',
    'holds/s',
    'taken',
    'all at once',
    'commands a hold',
    'wait p50 ms',
    'p99',
    'max',
    'starved',
  ];
  printTable(title, head, rows);
}

function judge({ taken, commands, starved }) {
  atLeast('redis, 5 permits, 50 callers in 5 processes: taken', taken * 100, 88, ' %');
  atMost('redis, 5 permits, 50 callers in 5 processes: commands a hold', commands, 2.05, '');
  atMost('redis, 5 permits, 50 callers in 5 processes: starved', starved, 0, '');
}
