import { parseArgs } from 'node:util';
import { table } from '../chaos/table.js';
import { runCrew } from './crew.js';
import { runMutants } from './mutants.js';
import { planOf, SCENARIOS } from './scenarios.js';
import { shrink } from './shrink.js';
import { type Outcome, simulate } from './simulation.js';
import type { Result } from './worker.js';

// How many failing seeds are shrunk and shown.
const SHOWN = 3;
const PROGRESS_MS = 2_000;

const HELP = `npm run sim -- [options]
  --seeds N        how many seeds (default 1000; without end where --minutes is given)
  --seed S         the first (default: another one each time)
  --minutes M      begin no more seeds after that
  --scenario NAME  only that one: ${SCENARIOS.map(({ name }) => name).join(', ')}
  --history        print what happens in the first seed, and stop
  --mutants        put deliberate bugs in, and tell which judge catches each, and after how many seeds`;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    seed: { type: 'string' },
    minutes: { type: 'string' },
    scenario: { type: 'string' },
    history: { type: 'boolean' },
    mutants: { type: 'boolean' },
    help: { type: 'boolean' },
  },
});

const minutes = values.minutes === undefined ? Infinity : Number(values.minutes);
const seeds = Number(values.seeds ?? (minutes < Infinity ? Infinity : 1_000));
const seed = Number(values.seed ?? Math.floor(Math.random() * 1e9));
const { scenario } = values;
if (values.help) console.log(HELP);
else if (values.mutants) process.exitCode = (await runMutants(seed)) ? 0 : 1;
else if (values.history) show(await simulate(planOf(seed, scenario)));
else process.exitCode = (await run()) ? 0 : 1;

async function run(): Promise<boolean> {
  console.log(`seeds from ${seed} on`);
  const started = performance.now();
  const results: Result[] = [];
  const progress = setInterval(() => console.error(progressOf(results, started)), PROGRESS_MS);
  await runCrew({
    seed,
    seeds,
    time: minutes * 60_000,
    scenario,
    onResult: (result) => {
      results.push(result);
      return false;
    },
  });
  clearInterval(progress);
  console.log(progressOf(results, started));
  console.log(tableOf(results));
  const failed = results.filter(({ judge }) => judge !== undefined);
  for (const { seed: failing, scenario: name } of failed.slice(0, SHOWN)) {
    console.log(`\nTo run it again: npm run sim -- --seeds 1 --seed ${failing} --scenario '${name}'`);
    show(await shrink(await simulate(planOf(failing, name))));
  }
  return failed.length === 0;
}

function show({ plan, history, violations }: Outcome): void {
  console.log(`${plan.scenario}, seed ${plan.seed}\n${history}`);
  for (const { judge, at, text } of violations) console.log(`${judge}, at ${at.toFixed(3)}: ${text}`);
}

function progressOf(results: readonly Result[], started: number): string {
  const rate = results.length / ((performance.now() - started) / 1_000);
  const failed = results.filter(({ judge }) => judge !== undefined).length;
  return `${results.length} seeds, ${rate.toFixed(0)} a second, ${hoursOf(results)} h simulated, ${failed} failed`;
}

function hoursOf(results: readonly Result[]): string {
  return (results.reduce((sum, { lasted }) => sum + lasted, 0) / 3_600_000).toFixed(1);
}

function tableOf(results: readonly Result[]): string {
  const rows = SCENARIOS.map(({ name }) => {
    const own = results.filter((result) => result.scenario === name);
    const sum = (of: (result: Result) => number) => own.reduce((total, result) => total + of(result), 0);
    const judges = new Set(own.flatMap(({ judge }) => judge ?? []));
    return [
      name,
      own.length,
      hoursOf(own),
      sum(({ requests }) => requests),
      sum(({ granted }) => granted),
      sum(({ judge }) => (judge === undefined ? 0 : 1)),
      [...judges].join(', '),
    ];
  });
  return table(['scenario', 'seeds', 'hours', 'requests', 'granted', 'failed', 'judges'], rows);
}
