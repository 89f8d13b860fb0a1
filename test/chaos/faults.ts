import { historyNow } from 'latchkey/testing';
import type { Random } from '../support/random.js';
import { sleep } from '../support/wait.js';
import type { Crew } from './crew.js';
import { LONGEST_TTL, MAX_BLOCK } from './setting.js';
import type { Topology } from './topology.js';

/** What a fault may touch. */
export interface Scene {
  readonly random: Random;
  readonly crew: Crew;
  readonly topology: Topology;
}

export interface Fault {
  readonly kind: string;
  /** Why locks may be held twice through it: the efficiency grade does not hold then. */
  readonly explains?: 'lost data' | 'fail-over' | 'clock step';
  /** Whether the backend surely answers nobody, from its beginning to its end. */
  readonly down?: boolean;
  /** Whether it takes so long that, struck as often as the others, it would explain whatever goes wrong. */
  readonly rare?: boolean;
  /** Resolves when the fault is over. */
  strike(scene: Scene): Promise<void>;
}

/** A fault that was injected; times of `historyNow`. */
export interface Injected {
  readonly fault: Fault;
  readonly from: number;
  to: number;
  /** Why it, or the mending of it, could not be carried out. */
  trouble?: string;
}

export const workerFaults: readonly Fault[] = [
  { kind: 'worker killed', strike: ({ random, crew }) => crew.kill(random.between(0, crew.size - 1)) },
  {
    kind: 'worker stopped past its ttl',
    strike: ({ random, crew }) =>
      crew.pause(random.between(0, crew.size - 1), LONGEST_TTL + random.between(100, 1_500)),
  },
  {
    kind: 'worker stopped for a moment',
    strike: ({ random, crew }) => crew.pause(random.between(0, crew.size - 1), random.between(20, 400)),
  },
  {
    kind: 'event loop blocked past the ttl',
    strike: (scene) => block(scene, LONGEST_TTL),
  },
  {
    kind: 'event loop blocked past maxBlock and the ttl',
    strike: (scene) => block(scene, MAX_BLOCK + LONGEST_TTL),
  },
];

async function block({ random, crew }: Scene, past: number): Promise<void> {
  const ms = past + random.between(50, 500);
  crew.block(random.between(0, crew.size - 1), ms);
  await sleep(ms);
}

/** Faults of the network, which every topology has. */
export const networkFaults: readonly Fault[] = [
  {
    kind: 'network delays',
    strike: async (scene) => {
      const ms = scene.random.between(5, 150);
      await proxied(scene, 2_000, (proxy) => proxy.delay(ms));
    },
  },
  {
    kind: 'network drops answers',
    strike: (scene) => proxied(scene, 1_500, (proxy) => proxy.dropReplies()),
  },
  {
    kind: 'network is a black hole',
    down: true,
    strike: (scene) => proxied(scene, 3_500, (proxy) => proxy.blackhole(), true),
  },
  { kind: 'network half-closes', strike: (scene) => proxied(scene, 0, (proxy) => proxy.halfClose()) },
  { kind: 'network resets', strike: (scene) => proxied(scene, 0, (proxy) => proxy.reset()) },
  {
    kind: 'network refuses',
    down: true,
    strike: async ({ topology, random }) => {
      for (const proxy of topology.proxies) {
        proxy.refuse();
        proxy.reset();
      }
      await sleep(random.between(200, 2_000));
      await Promise.all(topology.proxies.map((proxy) => proxy.accept()));
    },
  },
];

/** Does something to all proxies, or to one, for up to `longest` ms, then lets all pass again. */
async function proxied(
  { topology, random }: Scene,
  longest: number,
  act: (proxy: Topology['proxies'][number]) => void,
  all = topology.whole || random.chance(0.5),
): Promise<void> {
  const { proxies } = topology;
  for (const proxy of all ? proxies : [random.pick(proxies)]) act(proxy);
  if (longest > 0) await sleep(random.between(Math.ceil(longest / 10), longest));
  for (const proxy of proxies) proxy.passThrough();
}

// Rare faults strike in every third round.
const RARELY = 3;
// At the end of each such time nothing strikes for a while: who asks first is judged then.
const CYCLE_MS = 40_000;
const CALM_MS = 12_000;

/** Strikes with one fault after the other, in rounds of each kind once, until `end`. */
export async function strikeUntil(
  end: number,
  faults: readonly Fault[],
  gap: readonly [number, number],
  scene: Scene,
  injected: Injected[],
): Promise<void> {
  const { random } = scene;
  let bag: Fault[] = [];
  const began = historyNow();
  for (let round = 0; ; ) {
    await sleep(random.between(...gap));
    const left = CYCLE_MS - ((historyNow() - began) % CYCLE_MS);
    if (left < CALM_MS) await sleep(left);
    if (historyNow() >= end) return;
    if (bag.length === 0) {
      bag = random.shuffled(faults.filter(({ rare }) => !rare || round % RARELY === 0));
      round++;
    }
    const fault = bag.pop()!;
    const entry: Injected = { fault, from: historyNow(), to: Infinity };
    injected.push(entry);
    try {
      await fault.strike(scene);
    } catch (error) {
      entry.trouble = String(error);
    }
    entry.to = historyNow();
  }
}
