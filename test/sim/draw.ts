import type { Random } from '../support/random.js';
import type { ActorPlan, FaultPlan, Manner, NetworkPlan, ProcessPlan, Step, Use } from './plan.js';
import type { ProcessTraits } from './process.js';

/** A scenario: what a seed makes a plan of. */
export interface Scenario {
  readonly name: string;
  readonly about: string;
  draw(random: Random): {
    readonly network?: Partial<NetworkPlan>;
    readonly processes: readonly ProcessPlan[];
    readonly faults?: readonly FaultPlan[];
  };
}

// Of two connections, one may be late.
const DELAYED = [
  undefined,
  { answer: 0.4, message: 0 },
  { answer: 0, message: 0.4 },
  { answer: 0.1, message: 0.1 },
];

export function drawNetwork(random: Random): NetworkPlan {
  const least = random.pick([0, 0, 0.2, 1, 5]);
  const most = least + random.pick([0, 0.5, 2, 5, 30]);
  const whole = Number.isInteger(least) && Number.isInteger(most) && random.chance(0.5);
  const ordered = random.chance(0.7);
  const reportsDeadReceivers = random.chance(0.7);
  const delayed = ordered ? undefined : random.pick(DELAYED);
  const latency = [least, delayed ? Math.max(most, least + random.pick([10, 40])) : most] as const;
  return { latency, whole, ordered, delayed, reportsDeadReceivers };
}

export function drawTraits(random: Random): ProcessTraits {
  return {
    offset: Math.round(random.next() * 1e6) / 8,
    rate: 1 + (random.next() - 0.5) * 0.001,
    lateness: random.pick([0, 0, 1, 1, 3]),
    effort: random.pick([0, 0, 0.05, 0.2]),
  };
}

/** Processes `p1` and so on, each with actors `p1.a` and so on that do steps. */
export function drawProcesses(
  random: Random,
  counts: {
    readonly processes: readonly [number, number];
    readonly actors: readonly [number, number];
    readonly steps: readonly [number, number];
  },
  step: (random: Random) => Step,
): ProcessPlan[] {
  const many = <T>(range: readonly [number, number], make: (n: number) => T) =>
    Array.from({ length: random.between(...range) }, (_, n) => make(n));
  return many(counts.processes, (p) => {
    const name = `p${p + 1}`;
    const actors = many(counts.actors, (a): ActorPlan => {
      const actor = `${name}.${String.fromCharCode(97 + a)}`;
      return { name: actor, steps: many(counts.steps, () => step(random)) };
    });
    return { name, traits: drawTraits(random), startsAt: random.between(0, 20), actors };
  });
}

/** A use of one key by a writer, in any manner; what is given stands. */
export function drawUse(random: Random, given: Partial<Use> = {}): Use {
  const manner = given.manner ?? random.pick<Manner>(['acquire', 'acquire', 'with', 'handle']);
  const tries = manner === 'try' || manner === 'tryWith';
  return {
    do: 'use',
    after: random.chance(0.4) ? 0 : Math.round(random.spread(1, 200)),
    manner,
    keys: [random.pick(['a', 'a', 'b'])],
    mode: 'write',
    ttl: random.pick([1_000, 5_000, 30_000]),
    wait: tries ? 0 : random.pick(['forever', 60_000, 20_000]),
    hold: random.chance(0.3) ? 0 : Math.round(random.spread(1, 100)),
    end: random.chance(0.1) ? 'twice' : 'release',
    ...(random.chance(0.05) && { atLeast: Math.min(random.pick([20, 200, 2_000]), given.ttl ?? 1_000) }),
    ...given,
  };
}

/** Times within the first `ms`, in order. */
export function drawTimes(random: Random, most: number, ms: number): number[] {
  return Array.from({ length: random.between(1, most) }, () => random.between(5, ms)).sort((a, b) => a - b);
}
