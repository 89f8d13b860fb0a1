import type { ActorPlan, Plan, ProcessPlan, Step } from './plan.js';
import { type Outcome, simulate } from './simulation.js';

// To shrink is to run again and again.
const MOST_RUNS = 1_500;

/** The smallest plan found in which the same judge finds something, and what happens in it. */
export async function shrink(outcome: Outcome): Promise<Outcome> {
  const judge = outcome.violations[0]?.judge;
  let least = outcome;
  let runs = 0;
  for (let shrunk = true; shrunk; ) {
    shrunk = false;
    for (const candidate of smaller(least.plan)) {
      if (runs++ >= MOST_RUNS) return least;
      const tried = await simulate(candidate);
      if (!tried.violations.some((violation) => violation.judge === judge)) continue;
      least = tried;
      shrunk = true;
      break;
    }
  }
  return least;
}

/** Plans that lack something, the largest first. */
function* smaller(plan: Plan): Iterable<Plan> {
  for (const processes of without(plan.processes)) yield { ...plan, processes };
  for (const faults of without(plan.faults)) yield { ...plan, faults };
  for (const [p, process] of plan.processes.entries()) {
    const withProcess = (changed: ProcessPlan) => ({
      ...plan,
      processes: replaced(plan.processes, p, changed),
    });
    for (const actors of without(process.actors)) yield withProcess({ ...process, actors });
    for (const [a, actor] of process.actors.entries()) {
      const withActor = (changed: ActorPlan) =>
        withProcess({ ...process, actors: replaced(process.actors, a, changed) });
      for (const steps of without(actor.steps)) yield withActor({ ...actor, steps });
      for (const [s, step] of actor.steps.entries())
        for (const simpler of simplerStep(step))
          yield withActor({ ...actor, steps: replaced(actor.steps, s, simpler) });
    }
    if (process.ends) yield withProcess({ ...process, ends: undefined });
    const { lateness, effort, rate } = process.traits;
    if (lateness > 0 || effort > 0 || rate !== 1)
      yield withProcess({ ...process, traits: { offset: 0, lateness: 0, effort: 0, rate: 1 } });
  }
  const { latency } = plan.network;
  if (latency[0] !== 1 || latency[1] !== 1)
    yield { ...plan, network: { ...plan.network, latency: [1, 1], whole: true } };
}

function* simplerStep(step: Step): Iterable<Step> {
  if (step.do !== 'use') return;
  for (const name of [
    'abort',
    'block',
    'refresh',
    'retry',
    'maxHold',
    'atLeast',
    'limit',
    'autoRenew',
  ] as const)
    if (step[name] !== undefined) yield { ...step, [name]: undefined };
  if (step.keys.length > 1) yield { ...step, keys: step.keys.slice(0, 1) };
  if (step.end === 'twice') yield { ...step, end: 'release' };
  if (step.mode === 'read' && step.limit === undefined) yield { ...step, mode: 'write' };
}

/** The list without a half, a quarter …, one of it. */
function* without<T>(list: readonly T[]): Iterable<T[]> {
  for (let size = Math.ceil(list.length / 2); size >= 1; size = size > 1 ? Math.ceil(size / 2) : 0)
    for (let from = 0; from < list.length; from += size)
      yield [...list.slice(0, from), ...list.slice(from + size)];
}

const replaced = <T>(list: readonly T[], index: number, item: T) =>
  list.map((each, at) => (at === index ? item : each));
