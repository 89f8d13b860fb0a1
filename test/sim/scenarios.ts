import { Random } from '../support/random.js';
import { drawNetwork, drawProcesses, drawTimes, drawUse, type Scenario } from './draw.js';
import type { FaultPlan, Manner, Plan, ProcessPlan, Step } from './plan.js';

const SOME = { processes: [2, 4], actors: [1, 4], steps: [1, 4] } as const;
const MANNERS: Manner[] = ['acquire', 'with', 'handle', 'try', 'tryWith'];

const shared = (random: Random) =>
  random.chance(0.5)
    ? ({ mode: 'write' } as const)
    : ({ mode: 'read', limit: random.pick([undefined, undefined, 1, 2, 3]) } as const);

const anyone = (processes: readonly ProcessPlan[], random: Random) => random.pick(processes).name;

/** Anything that may be asked for, of a few keys. */
function drawAny(random: Random): Step {
  const manner = random.pick(MANNERS);
  return drawUse(random, {
    manner,
    ...shared(random),
    ...(random.chance(0.2) && { abort: Math.round(random.spread(1, 500)) }),
    ...(random.chance(0.2) && { wait: Math.round(random.spread(1, 2_000)) }),
    ...(random.chance(0.2) && { autoRenew: random.chance(0.7) }),
    ...(random.chance(0.1) && { hold: random.between(500, 8_000) }),
    ...(random.chance(0.15) && { refresh: drawRefreshes(random, 2_000) }),
    ...(manner !== 'handle' && random.chance(0.15) && { keys: ['a', 'b'] }),
  });
}

/** What may be revoked as it is granted, handed on, taken with others, or to rest. */
function drawRevocable(random: Random): Step {
  const after = random.pick([0, 0, 1, 5]);
  const manner = random.pick<Manner>(['acquire', 'with']);
  return random.pick([
    drawAny,
    () => drawUse(random, { after, manner, keys: ['a'], hold: random.pick([0, 1, 3, 12]) }),
    () => drawUse(random, { after, manner, keys: ['a', 'b'] }),
    () => drawUse(random, { after, manner, atLeast: 900, hold: random.between(1, 800) }),
  ])(random);
}

/** As `drawAny`, with more that do not wait for long. */
const drawHurried = (random: Random): Step => {
  const step = drawAny(random);
  const wait = Math.round(random.spread(1, 3_000));
  return step.do === 'use' && step.wait !== 0 && random.chance(0.5) ? { ...step, wait } : step;
};

const drawRevoke = (random: Random): Step => ({
  do: 'revoke',
  after: random.pick([0, random.between(0, 10), random.between(0, 100)]),
  key: random.pick(['a', 'b']),
  grace: random.pick([0, 0, 5, 50, 500]),
});

/** What one that revokes now and then does. */
const orRevoke =
  (share: number, draw: (random: Random) => Step) =>
  (random: Random): Step =>
    random.chance(share) ? drawRevoke(random) : draw(random);

const drawRefreshes = (random: Random, ttl: number) =>
  Array.from({ length: random.between(1, 3) }, () => Math.ceil(random.spread(ttl / 10, ttl * 10)));

function drawPauses(random: Random, processes: readonly ProcessPlan[], longest: number): FaultPlan[] {
  return drawTimes(random, 5, 1_500).map((at) => {
    const process = anyone(processes, random);
    return { do: 'pause', at, process, ms: Math.round(random.spread(5, longest)) };
  });
}

function drawCut(random: Random, process: string, at: number): FaultPlan {
  return {
    do: 'cut',
    at,
    process,
    reconnect: random.pick([0, 10, 100, 1_000, 4_000]),
    processKnows: random.pick([0, 0, 1, 50, 500]),
    serverKnows: random.pick([0, 0, 20, 2_000]),
    ...(random.chance(0.6) && { runLate: random.pick([0, 0, 5, 200, 2_000]) }),
  };
}

/** What a seed may be about. To add one: see CONTRIBUTING.md. */
export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'crowd',
    about: 'many writers of a few processes at one key or two: holds are handed on',
    draw: (random) => ({
      processes: drawProcesses(random, { processes: [2, 4], actors: [2, 7], steps: [1, 3] }, (each) =>
        drawUse(each, { after: each.pick([0, 0, 1, 5]), hold: each.pick([0, 0, 1, 3, 12]) }),
      ),
    }),
  },
  {
    name: 'long holds',
    about: 'many who wait for long, and look by themselves',
    draw: (random) => ({
      processes: drawProcesses(random, { processes: [2, 3], actors: [2, 5], steps: [1, 2] }, (each) =>
        drawUse(each, {
          ...shared(each),
          keys: ['a'],
          after: each.pick([0, 5, 50, 500]),
          manner: each.pick<Manner>(['with', 'acquire']),
          ttl: each.pick([150, 400, 1_000, 3_000]),
          autoRenew: each.chance(0.7),
          wait: each.pick(['forever', 60_000, Math.ceil(each.spread(100, 10_000))]),
          hold: Math.round(each.spread(100, 10_000)),
        }),
      ),
    }),
  },
  {
    name: 'sharing',
    about: 'readers, limits and writers in one queue',
    draw: (random) => ({
      processes: drawProcesses(random, { processes: [2, 4], actors: [2, 5], steps: [1, 3] }, (each) =>
        drawUse(each, { ...shared(each), after: each.pick([0, 1, 10, 50]) }),
      ),
    }),
  },
  {
    name: 'tries',
    about: 'tries and retries beside those who wait',
    draw: (random) => ({
      processes: drawProcesses(random, SOME, (each) => {
        if (each.chance(0.4)) return drawUse(each, shared(each));
        const tries = { ...shared(each), manner: each.pick<Manner>(['try', 'tryWith', 'handle']), wait: 0 };
        if (each.chance(0.6)) return drawUse(each, tries);
        const retry = Array.from({ length: each.between(1, 8) }, () => each.pick([0, 1, 5, 20, 100]));
        return drawUse(each, { ...shared(each), manner: 'acquire', retry });
      }),
    }),
  },
  {
    name: 'giving up',
    about: 'short waits and aborts, at any moment, of one or of all in a process at once',
    draw: (random) => {
      const processes = drawProcesses(random, { processes: [2, 4], actors: [2, 5], steps: [1, 4] }, (each) =>
        drawUse(each, {
          ...shared(each),
          after: each.pick([0, 0, 1, 5]),
          ...(each.chance(0.5) && { wait: Math.round(each.spread(1, 300)) }),
          abort: each.pick([Infinity, Infinity, 0, 1, 5, 20, 100]),
        }),
      );
      const faults = drawTimes(random, 4, 150).map((at): FaultPlan => {
        return { do: 'abandon', at, process: anyone(processes, random) };
      });
      return { processes, faults };
    },
  },
  {
    name: 'far store',
    about: 'answers take longer than a wait may end after its hard limit',
    draw: (random) => ({
      network: {
        latency: random.pick([
          [60, 60],
          [60, 120],
          [200, 300],
        ] as const),
        whole: false,
      },
      processes: drawProcesses(random, { processes: [2, 3], actors: [1, 4], steps: [1, 3] }, (each) =>
        drawUse(each, {
          ...shared(each),
          manner: each.pick<Manner>(['with', 'acquire']),
          ttl: each.pick([5_000, 30_000]),
          wait: Math.ceil(each.spread(500, 10_000)),
          hold: Math.round(each.spread(10, 5_000)),
        }),
      ),
    }),
  },
  {
    name: 'several keys',
    about: 'keys taken together, beside single ones',
    draw: (random) => ({
      processes: drawProcesses(random, SOME, (each) => {
        const keys = each.pick([['a'], ['b'], ['a', 'b'], ['b', 'c'], ['a', 'c'], ['a', 'b', 'c']]);
        const manner = each.pick<Manner>(['acquire', 'with', 'try', 'tryWith']);
        return drawUse(each, {
          keys,
          manner,
          ...shared(each),
          ...(each.chance(0.3) && { wait: each.between(1, 500) }),
        });
      }),
    }),
  },
  {
    name: 'lifetimes',
    about: 'ttls from 1 ms to hours: holds that expire, are renewed, are forgotten',
    draw: (random) => ({
      processes: drawProcesses(random, SOME, (each) => {
        const ttl = Math.ceil(each.spread(1, 10_000_000));
        const end = each.pick(['release', 'release', 'twice', 'forget'] as const);
        return drawUse(each, {
          ...shared(each),
          manner: each.pick(MANNERS),
          ttl,
          wait: each.pick([0, 100, 5_000, 'forever']),
          autoRenew: end !== 'forget' && each.chance(0.5),
          hold: Math.min(Math.round(each.spread(1, 20_000)), 60 * ttl),
          ...(each.chance(0.2) && { maxHold: Math.ceil(each.spread(1, 20_000)) }),
          ...(each.chance(0.3) && { refresh: drawRefreshes(each, ttl) }),
          end,
        });
      }),
    }),
  },
  {
    name: 'pauses',
    about: 'processes that are stopped, or block their event loop',
    draw: (random) => {
      const processes = drawProcesses(random, SOME, (each) =>
        drawUse(each, {
          ...shared(each),
          manner: each.pick(MANNERS),
          ttl: each.pick([100, 300, 1_000, 5_000]),
          ...(each.chance(0.3) && { block: each.pick([20, 200, 1_000, 6_000]) }),
          ...(each.chance(0.3) && { wait: each.between(1, 1_000) }),
        }),
      );
      return { processes, faults: drawPauses(random, processes, 8_000) };
    },
  },
  {
    name: 'messages',
    about: 'messages that are lost, doubled or late',
    draw: (random) => {
      const processes = drawProcesses(random, SOME, orRevoke(0.1, drawAny));
      const faults = drawTimes(random, 4, 1_500).map((at): FaultPlan => {
        const how = {
          lost: random.pick([0, 0.5, 1]),
          doubled: random.pick([0, 0.5]),
          late: random.pick([0, 0.5]),
        };
        const process = anyone(processes, random);
        return {
          do: 'messages',
          at,
          process,
          ms: random.between(1, 2_000),
          ...how,
          by: random.between(1, 3_000),
        };
      });
      return { processes, faults };
    },
  },
  {
    name: 'cuts',
    about: 'connections that are lost: noticed late, on one side only, with calls that are run later',
    draw: (random) => {
      const processes = drawProcesses(random, SOME, orRevoke(0.1, drawAny));
      const faults = drawTimes(random, 5, 1_500).map((at) => drawCut(random, anyone(processes, random), at));
      return { processes, faults };
    },
  },
  {
    name: 'outages',
    about: 'a server that is silent, slow, stopped, or answers with errors',
    draw: (random) => {
      const processes = drawProcesses(random, SOME, orRevoke(0.1, drawHurried));
      const faults = drawTimes(random, 4, 1_500).map((at): FaultPlan => {
        const ms = Math.round(random.spread(5, 6_000));
        const process = anyone(processes, random);
        return random.pick<FaultPlan>([
          { do: 'silence', at, process, ms },
          { do: 'slow', at, process, ms, by: random.pick([5, 30, 80, 300]) },
          { do: 'block', at, ms },
          { do: 'refuse', at, ms, outcome: 'refused' },
          { do: 'refuse', at, ms, outcome: 'passing' },
          { do: 'down', at, ms, loses: false },
        ]);
      });
      return { processes, faults };
    },
  },
  {
    name: 'lost data',
    about: 'a server that loses its data, or fails over to a copy that lags',
    draw: (random) => {
      const processes = drawProcesses(random, SOME, orRevoke(0.1, drawAny));
      const faults = drawTimes(random, 3, 1_500).map((at): FaultPlan => {
        const ms = random.pick([0, 10, 200, 2_000]);
        return random.pick<FaultPlan>([
          { do: 'lose', at },
          { do: 'down', at, ms, loses: true },
          { do: 'failOver', at: at + 100, lag: random.between(0, 100), ms },
        ]);
      });
      return { processes, faults };
    },
  },
  {
    name: 'server clock',
    about: 'a server whose clock steps forward and back',
    draw: (random) => {
      const processes = drawProcesses(random, SOME, orRevoke(0.1, drawAny));
      const faults = drawTimes(random, 4, 1_500).map((at): FaultPlan => {
        const by = Math.round(random.spread(1, 100_000)) * random.pick([1, -1]);
        return { do: 'step', at, by };
      });
      return { processes, faults };
    },
  },
  {
    name: 'coming and going',
    about: 'processes that are killed, close their locks, and start late',
    draw: (random) => {
      const drawn = drawProcesses(
        random,
        { processes: [3, 6], actors: [1, 3], steps: [1, 4] },
        orRevoke(0.1, drawAny),
      );
      const processes = drawn.map((process) => {
        const startsAt = random.chance(0.5) ? process.startsAt : random.between(0, 800);
        if (random.chance(0.4)) return { ...process, startsAt };
        const at = startsAt + random.between(1, 800);
        const grace = random.chance(0.5) ? undefined : random.pick([0, 10, 1_000]);
        return { ...process, startsAt, ends: { at, ...(grace !== undefined && { grace }) } };
      });
      return { processes };
    },
  },
  {
    name: 'revocations',
    about: 'an operator who takes holds away',
    draw: (random) => {
      const processes = drawProcesses(random, SOME, orRevoke(0.3, drawRevocable));
      const faults = random.chance(0.5) ? [] : drawPauses(random, processes, 500);
      return { processes, faults };
    },
  },
  {
    name: 'everything',
    about: 'all of the above at once',
    draw: (random) => {
      const all = SCENARIOS.filter(({ name }) => name !== 'everything');
      const { processes } = random.pick(all).draw(random);
      const faults = Array.from({ length: 3 }, () => random.pick(all).draw(random).faults ?? []).flat();
      return { processes, faults };
    },
  },
];

/** The plan of a seed, of the scenario that is its turn, or of the one given. */
export function planOf(seed: number, scenario?: string): Plan {
  const chosen = scenario
    ? SCENARIOS.find(({ name }) => name === scenario)
    : SCENARIOS[seed % SCENARIOS.length];
  if (!chosen) throw new Error(`there is no scenario "${scenario}"`);
  const random = new Random(seed).fork(chosen.name);
  const { network, processes, faults = [] } = chosen.draw(random);
  return {
    scenario: chosen.name,
    seed,
    network: { ...drawNetwork(random), ...network },
    processes,
    faults,
  };
}
