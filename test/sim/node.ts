import type { LockBackendError } from '../../src/core/errors.js';
import type { StoreEvents } from '../../src/engine/store.js';
import type { ModelServer } from '../../src/testing/model-server.js';
import type { ModelStore } from '../../src/testing/model-store.js';
import type { Random } from '../support/random.js';
import type { Disturbance, Evidence } from './evidence.js';
import type { FaultPlan, NetworkPlan } from './plan.js';
import type { SimProcess } from './process.js';

// What a message or an answer takes at most that is not delayed, where others are, beside the least.
const LITTLE_MS = 2;

type MessageTrouble = Extract<FaultPlan, { do: 'messages' }>;

/** A process and its connection to the server. */
export class Node {
  readonly store: ModelStore;
  /** ms that everything takes longer now. */
  slowness = 0;
  /** What happens to messages now. */
  readonly troubles = new Set<MessageTrouble>();
  readonly #evidence: Evidence;
  readonly #random: Random;
  #cut: Disturbance | undefined;

  constructor(
    readonly process: SimProcess,
    server: ModelServer,
    evidence: Evidence,
    network: NetworkPlan,
    random: Random,
  ) {
    this.#evidence = evidence;
    this.#random = random;
    const { ordered } = network;
    const latency = latencyOf(network, random);
    const reads = random.fork('reads');
    this.store = server.connect({
      process: process.name,
      clock: process.clock,
      toServer: process.outbound,
      toProcess: process.inbound,
      ordered,
      link: {
        latency: (what) => latency(what) + this.slowness,
        message: () => this.#copies(),
        reads: () => reads.pick([1, Infinity]),
      },
    });
    // From the start until it is connected.
    this.cut();
    const open = this.store.open.bind(this.store);
    this.store.open = (events) => open(this.#noted(events));
  }

  /** The connection is lost, be it known or not. */
  cut(): void {
    const { now } = this.#evidence.world;
    this.#cut ??= this.#evidence.disturb('cut', this.process, now, Infinity);
  }

  #copies(): readonly number[] {
    const copies = [0];
    for (const { lost, doubled, late, by } of this.troubles) {
      if (this.#random.chance(lost)) copies.pop();
      if (copies.length > 0 && this.#random.chance(late)) copies[0]! += this.#random.next() * by;
      if (this.#random.chance(doubled)) copies.push(this.#random.next() * by);
    }
    return copies;
  }

  #noted(events: StoreEvents): StoreEvents {
    const note = (what: string, ...about: (string | number)[]) =>
      this.#evidence.history.add(this.process.present, this.process.name, what, ...about);
    return {
      ready: () => {
        note('connected');
        this.#evidence.reconnected(this.process);
        this.#cut = undefined;
        events.ready();
      },
      lost: (fault: LockBackendError) => {
        note('disconnected');
        this.cut();
        events.lost(fault);
      },
      granted: (id, grant) => {
        note('hears granted', id.key, `fence ${grant.fence}`);
        events.granted(id, grant);
      },
      revoked: (id, grace) => {
        note('hears revoked', id.key, grace);
        events.revoked(id, grace);
      },
      lookIn: (key, ms) => {
        note('hears look in', key, ms);
        events.lookIn(key, ms);
      },
    };
  }
}

function latencyOf(
  { latency: [least, most], whole, delayed }: NetworkPlan,
  random: Random,
): (what: 'call' | 'answer' | 'message') => number {
  const upTo = (longest: number) =>
    whole ? random.between(least, longest) : least + random.next() * (longest - least);
  if (!delayed) return () => upTo(most);
  const little = Math.min(most, least + LITTLE_MS);
  return (what) => (what !== 'call' && random.chance(delayed[what]) ? most : upTo(little));
}
