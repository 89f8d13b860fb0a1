import type { ModelCopy, ModelServer } from '../../src/testing/model-server.js';
import type { Evidence } from './evidence.js';
import type { Node } from './node.js';
import type { FaultPlan } from './plan.js';
import type { World } from './world.js';

type OfOne = Extract<FaultPlan, { process: string }>;

/** Makes go wrong what the plan says, and tells when. */
export class Faults {
  readonly #world: World;
  readonly #server: ModelServer;
  readonly #evidence: Evidence;
  readonly #nodes: ReadonlyMap<string, Node>;

  constructor(world: World, server: ModelServer, evidence: Evidence, nodes: ReadonlyMap<string, Node>) {
    this.#world = world;
    this.#server = server;
    this.#evidence = evidence;
    this.#nodes = nodes;
  }

  plan(faults: readonly FaultPlan[]): void {
    for (const fault of faults) {
      if (fault.do === 'failOver') this.#planFailOver(fault);
      else this.#world.at(fault.at, () => this.#happen(fault));
    }
  }

  #happen(fault: Exclude<FaultPlan, { do: 'failOver' }>): void {
    const { now } = this.#world;
    if ('process' in fault) {
      const node = this.#nodes.get(fault.process);
      if (node && !node.process.dead) this.#happenTo(node, fault);
      return;
    }
    this.#tell('server', fault);
    if (fault.do === 'block') {
      this.#server.block(fault.ms);
      this.#evidence.disturb('silence', undefined, now, now + fault.ms);
    } else if (fault.do === 'refuse') {
      this.#server.refusal = fault.outcome;
      this.#evidence.disturb('refusal', undefined, now, now + fault.ms);
      this.#world.at(now + fault.ms, () => {
        this.#server.refusal = undefined;
      });
    } else if (fault.do === 'down') {
      this.#goDown(fault.ms, () => {
        if (fault.loses) this.#lose();
      });
    } else if (fault.do === 'lose') {
      this.#lose();
    } else {
      this.#server.stepClock(fault.by);
      this.#evidence.disturb('clock', undefined, now, now);
    }
  }

  #happenTo(node: Node, fault: OfOne): void {
    const { now } = this.#world;
    const { process, store } = node;
    this.#tell(process.name, fault);
    if (fault.do === 'pause') {
      process.block(fault.ms);
      this.#evidence.disturb('pause', process, now, process.busyUntil);
    } else if (fault.do === 'cut') {
      const { runLate, processKnows, serverKnows, reconnect } = fault;
      node.cut();
      store.cut({ processKnows, serverKnows, reconnect, ...(runLate !== undefined && { runLate }) });
    } else if (fault.do === 'silence') {
      store.silence(fault.ms);
      // For a process that is blocked, from the end of that on.
      this.#evidence.disturb('silence', process, now, process.present + fault.ms);
    } else if (fault.do === 'slow') {
      node.slowness += fault.by;
      this.#evidence.disturb('slow', process, now, now + fault.ms + fault.by);
      this.#world.at(now + fault.ms, () => {
        node.slowness -= fault.by;
      });
    } else if (fault.do === 'abandon') {
      process.later(0, () => {
        for (const request of this.#evidence.waiting)
          if (request.process === process) this.#evidence.giveUp(request);
      });
    } else {
      node.troubles.add(fault);
      this.#evidence.disturb('messages', process, now, now + fault.ms + fault.by);
      this.#world.at(now + fault.ms, () => void node.troubles.delete(fault));
    }
  }

  #planFailOver(fault: Extract<FaultPlan, { do: 'failOver' }>): void {
    let copy: ModelCopy | undefined;
    this.#world.at(fault.at - fault.lag, () => {
      copy = this.#server.copy();
    });
    this.#world.at(fault.at, () => {
      this.#tell('server', fault);
      const latest = copy ?? this.#server.copy();
      this.#goDown(fault.ms, () => {
        this.#server.restore(latest);
        this.#evidence.disturb('data', undefined, this.#world.now, this.#world.now);
      });
    });
  }

  #goDown(ms: number, then: () => void): void {
    this.#server.up = false;
    for (const node of this.#nodes.values()) {
      if (node.process.dead) continue;
      node.cut();
      node.store.cut({ reconnect: 50 });
    }
    this.#world.at(this.#world.now + ms, () => {
      this.#server.up = true;
      then();
    });
  }

  #lose(): void {
    this.#server.loseData();
    this.#evidence.disturb('data', undefined, this.#world.now, this.#world.now);
  }

  #tell(who: string, { do: what, at: _, ...about }: FaultPlan): void {
    const values = Object.entries(about).filter(([name]) => name !== 'process');
    this.#evidence.history.add(
      this.#world.now,
      who,
      `FAULT ${what}`,
      ...values.map(([name, value]) => `${name} ${typeof value === 'number' ? round(value) : value}`),
    );
  }
}

const round = (value: number) => Math.round(value * 1_000) / 1_000;
