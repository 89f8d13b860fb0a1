import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { table } from '../chaos/table.js';
import { Random } from '../support/random.js';
import { chanceOfSoFew } from './chance.js';
import { GROUPS, type Group, type Stage } from './groups.js';
import { loadable } from './loads.js';
import { describe, type Mutant } from './mutant.js';
import { type Limits, type Verdict, Workspace } from './workspace.js';

const HELP = `npm run mutate -- [options]
  --group NAME   only that one, or several with commas: ${GROUPS.map(({ name }) => name).join(', ')}
  --sample N     so many of each group, drawn by the seed (default: all)
  --seed S       (default 1)
  --files REGEXP only of files whose path matches
  --bound P      the share that must be noticed, in percent (default: each group's own). A sample fails where it has so few
                 that a group with this share would show as few in less than one of 1,000 samples
  --brief        without the tests and seeds that take half a minute and more, and with shorter limits of time
  --minutes M    begin no more after that
  --jobs J       how many at a time (default: one a processor)
  --survivors F  write the survivors to this file, too
  --only F       those of this file alone, which --survivors has written
  --list         print the mutants, and stop`;

const { values } = parseArgs({
  options: {
    group: { type: 'string' },
    sample: { type: 'string' },
    seed: { type: 'string', default: '1' },
    files: { type: 'string', default: '' },
    bound: { type: 'string' },
    brief: { type: 'boolean' },
    minutes: { type: 'string', default: 'Infinity' },
    jobs: { type: 'string', default: String(availableParallelism()) },
    survivors: { type: 'string' },
    only: { type: 'string' },
    list: { type: 'boolean' },
    help: { type: 'boolean' },
  },
});

// What was started ends with this process.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

// A sample that is less likely than this says that the group falls short.
const BY_CHANCE = 0.001;
const FULL: Limits = { testMs: 30_000, stageMs: 240_000 };
const BRIEF: Limits = { testMs: 10_000, stageMs: 30_000 };

interface Trial {
  readonly group: Group;
  readonly mutant: Mutant;
  readonly verdict: Verdict | undefined;
}

if (values.help) console.log(HELP);
else process.exitCode = (await run()) ? 0 : 1;

async function run(): Promise<boolean> {
  const sample = values.sample === undefined ? Number.POSITIVE_INFINITY : Number(values.sample);
  console.log(`seed ${values.seed}`);
  const groups = values.group?.split(',').map(groupOf) ?? GROUPS;
  // All of the same sources, which may change while this runs.
  const workspaces: Workspace[] = [];
  for (let i = 0; i < Number(values.jobs); i++)
    workspaces.push(await Workspace.create(values.brief ? BRIEF : FULL));
  try {
    const chosen: { group: Group; mutant: Mutant }[] = [];
    const counts = new Map<Group, number>();
    for (const group of groups) {
      const all = new Random(Number(values.seed)).fork(group.name).shuffled(await mutantsOf(group));
      counts.set(group, all.length);
      for (const mutant of await take(all, sample, workspaces[0]!)) chosen.push({ group, mutant });
    }
    if (values.list) {
      for (const { group, mutant } of chosen) console.log(`${group.name}  ${describe(mutant)}`);
      return true;
    }
    return report(await tryAll(chosen, workspaces), groups, counts);
  } finally {
    for (const workspace of workspaces) workspace.remove();
  }
}

function groupOf(name: string): Group {
  const group = GROUPS.find((each) => each.name === name);
  if (!group) throw new Error(`there is no group "${name}"`);
  return group;
}

async function mutantsOf({ files, mutants }: Group): Promise<Mutant[]> {
  const paths = readdirSync('src', { recursive: true })
    .map((path) => `src/${path}`)
    .filter((path) => files.test(path) && new RegExp(values.files).test(path))
    .sort();
  const all = (await Promise.all(paths.map((path) => mutants(path, readFileSync(path, 'utf8'))))).flat();
  if (values.only === undefined) return all;
  const only = new Set(readFileSync(values.only, 'utf8').split('\n'));
  return all.filter((mutant) => only.has(describe(mutant)));
}

/** The first that load. */
async function take(all: readonly Mutant[], sample: number, workspace: Workspace): Promise<Mutant[]> {
  const taken: Mutant[] = [];
  for (let next = 0; taken.length < sample && next < all.length; ) {
    const some = all.slice(next, next + Math.min(all.length, Math.ceil((sample - taken.length) * 1.5)));
    taken.push(...(await loadable(some, workspace)));
    next += some.length;
  }
  return taken.slice(0, Math.min(sample, taken.length));
}

async function tryAll(
  chosen: readonly { group: Group; mutant: Mutant }[],
  workspaces: readonly Workspace[],
): Promise<Trial[]> {
  const trials: Trial[] = [];
  const waiting = [...chosen];
  const end = performance.now() + Number(values.minutes) * 60_000;
  const work = async (workspace: Workspace) => {
    for (let next = waiting.shift(); next && performance.now() < end; next = waiting.shift()) {
      const { group, mutant } = next;
      const began = performance.now();
      let found: string;
      try {
        const verdict = await workspace.try(mutant, stagesFor(group, mutant));
        trials.push({ group, mutant, verdict });
        found = verdict ? `${verdict.by}: ${verdict.what}` : 'SURVIVED';
      } catch (error) {
        // A busy machine, or a test that cannot pass in the copy: neither says anything of the mutant.
        found = `NOT COUNTED: ${(error as Error).message}`;
      }
      const seconds = ((performance.now() - began) / 1_000).toFixed(0);
      console.error(
        `${trials.length}/${chosen.length} ${seconds}s ${group.name} ${describe(mutant)} | ${found}`,
      );
    }
  };
  await Promise.all(workspaces.map(work));
  return trials;
}

function stagesFor(group: Group, { file }: Mutant): Stage[] {
  return group.stages(file).filter((stage) => !(values.brief && stage.run !== 'related' && stage.slow));
}

function report(
  trials: readonly Trial[],
  groups: readonly Group[],
  counts: ReadonlyMap<Group, number>,
): boolean {
  const survivors = trials.filter(({ verdict }) => !verdict).map(({ mutant }) => describe(mutant));
  survivors.sort();
  const sampled = values.sample !== undefined || values.minutes !== 'Infinity';
  let enough = true;
  const rows = groups.map((group) => {
    const own = trials.filter((trial) => trial.group === group);
    const by = (name: string) => own.filter(({ verdict }) => verdict?.by === name).length;
    const killed = own.filter(({ verdict }) => verdict).length;
    const share = own.length === 0 ? 100 : (100 * killed) / own.length;
    const bound = Number(values.bound ?? group.bound);
    if (sampled ? chanceOfSoFew(killed, own.length, bound / 100) < BY_CHANCE : share < bound) enough = false;
    return [
      group.name,
      counts.get(group) ?? 0,
      own.length,
      killed,
      by('tests'),
      by('simulator'),
      by('time-out'),
      own.length - killed,
      `${share.toFixed(1)} %`,
      `${bound} %`,
    ];
  });
  const head = [
    'group',
    'of',
    'tried',
    'noticed',
    'by tests',
    'simulator',
    'time-out',
    'survived',
    'share',
    'bound',
  ];
  console.log(table(head, rows));
  if (survivors.length > 0) console.log(`\nsurvivors:\n${survivors.join('\n')}`);
  if (values.survivors) writeFileSync(values.survivors, `${survivors.join('\n')}\n`);
  return enough;
}
