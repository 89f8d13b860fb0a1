import type { LockLostError } from '../../src/core/errors.js';
import { queuedDriver } from '../../src/engine/queued-driver.js';
import type { LockDriver } from '../../src/lease/driver.js';
import { LockRegistry } from '../../src/registry.js';
import type { ModelChange } from '../../src/testing/model-lock.js';
import { ModelServer } from '../../src/testing/model-server.js';
import { Random } from '../support/random.js';
import { Actor, type ActorHost } from './actor.js';
import { Evidence, type Judge, type Violation } from './evidence.js';
import { Faults } from './faults.js';
import { History } from './history.js';
import { judgesOf } from './judges.js';
import { Node } from './node.js';
import type { ActorPlan, Plan, ProcessPlan, Use } from './plan.js';
import { SimProcess } from './process.js';
import { Request } from './request.js';
import { World } from './world.js';

export interface Outcome {
  readonly plan: Plan;
  readonly violations: readonly Violation[];
  readonly history: History;
  /** ms of the world. */
  readonly lasted: number;
  /** How many locks were asked for. */
  readonly requests: number;
  readonly granted: number;
}

// Server time at the start of the world, in µs since 1970.
const EPOCH = 1_700_000_000_000_000;
const PREFIX = '';
// Within this, all that was given up is gone from the store.
const QUIET_MS = 20_000;
// No run lasts longer.
const LONGEST_MS = 48 * 3_600_000;

/** Runs a plan: real registries, lockers, leases and engines, over one model of a server. */
export async function simulate(plan: Plan): Promise<Outcome> {
  return new Simulation(plan).run();
}

class Simulation {
  readonly #plan: Plan;
  readonly #random: Random;
  readonly #world: World;
  readonly #server: ModelServer;
  readonly #history = new History();
  readonly #evidence: Evidence;
  readonly #judges: readonly Judge[];
  readonly #nodes = new Map<string, Node>();
  readonly #registries = new Map<string, LockRegistry>();
  /** Those that have not ended. */
  readonly #acting = new Set<ActorPlan>();
  #toStart: number;

  constructor(plan: Plan) {
    this.#plan = plan;
    this.#random = new Random(plan.seed);
    this.#world = new World(this.#random.fork('order'));
    const world = this.#world;
    this.#server = new ModelServer({
      clock: {
        now: () => world.now,
        after: (ms, fn) => {
          const moment = world.at(world.now + ms, fn);
          return { cancel: () => world.cancel(moment), keepAlive: () => {} };
        },
      },
      micros: EPOCH,
      reportsDeadReceivers: plan.network.reportsDeadReceivers,
      onChange: (key, change) => this.#changed(key, change),
    });
    this.#evidence = new Evidence(world, this.#server, this.#history, plan.network);
    this.#judges = judgesOf(this.#evidence);
    this.#toStart = plan.processes.length;
  }

  async run(): Promise<Outcome> {
    const world = this.#world;
    const unhandled = (reason: unknown) => this.#evidence.violate('rejections', describe(reason));
    process.on('unhandledRejection', unhandled);
    try {
      for (const process of this.#plan.processes) this.#plant(process);
      new Faults(world, this.#server, this.#evidence, this.#nodes).plan(this.#plan.faults);
      world.afterEach = () => {
        for (const judge of this.#judges) judge.sample?.();
      };
      await world.run(() => (this.#toStart === 0 && this.#acting.size === 0) || world.now > LONGEST_MS);
      if (this.#acting.size > 0) this.#evidence.violate('nobody forgotten', 'somebody never has an answer');
      await this.#finish();
      for (const judge of this.#judges) judge.ended?.();
    } finally {
      process.off('unhandledRejection', unhandled);
    }
    const requests = [...this.#evidence.requests.values()];
    return {
      plan: this.#plan,
      violations: this.#evidence.violations,
      history: this.#history,
      lasted: world.now,
      requests: requests.length,
      granted: requests.filter(({ grip }) => grip).length,
    };
  }

  #plant(plan: ProcessPlan): void {
    this.#world.at(plan.startsAt, () => {
      this.#toStart--;
      for (const actor of plan.actors) this.#acting.add(actor);
      this.#start(plan);
    });
  }

  #start(plan: ProcessPlan): void {
    const world = this.#world;
    const random = this.#random.fork(plan.name);
    const process = new SimProcess(plan.name, world, plan.traits, random.fork('timers'));
    const { network } = this.#plan;
    const node = new Node(process, this.#server, this.#evidence, network, random.fork('network'));
    this.#nodes.set(plan.name, node);
    this.#evidence.processes.set(plan.name, process);
    this.#tell(plan.name, 'starts');
    const engine = random.fork('engine');
    process.later(0, () => {
      const driver = queuedDriver(node.store, { clock: process.clock, random: () => engine.next() });
      this.#noteFences(driver);
      const registry = new LockRegistry({ clock: process.clock });
      registry.registerDriver('sim', driver).registerLocker('sim', { driver: 'sim', prefix: PREFIX });
      this.#registries.set(plan.name, registry);
      const host = this.#hostOf(process, registry, driver);
      for (const actor of plan.actors) this.#act(actor, host);
    });
    if (plan.ends) this.#planEnd(plan, node, plan.ends);
  }

  /** Of several keys, a lease tells the largest alone. */
  #noteFences(driver: LockDriver): void {
    const acquire = driver.acquire.bind(driver);
    driver.acquire = (asked) => {
      const granted = acquire(asked);
      granted.then(
        (grant) => grant && this.#evidence.requestOf(asked)?.fences.set(grant.key, grant.fence),
        () => {},
      );
      return granted;
    };
  }

  #act(actor: ActorPlan, host: ActorHost): void {
    const over = () => void this.#acting.delete(actor);
    new Actor(actor, host).run().then(over, (error) => {
      over();
      this.#evidence.violate('no surprise', `${actor.name}: ${describe(error)}`);
    });
  }

  #planEnd(plan: ProcessPlan, { process, store }: Node, { at, grace }: { at: number; grace?: number }): void {
    this.#world.at(at, () => {
      if (grace !== undefined) return process.later(0, () => void this.#close(plan.name, grace));
      this.#tell(plan.name, 'is killed');
      for (const actor of plan.actors) this.#acting.delete(actor);
      for (const request of this.#evidence.holding) if (request.process === process) request.dies();
      process.kill();
      store.kill();
    });
  }

  /** Lets the rest happen: what was given up goes away, then the locks are closed. */
  async #finish(): Promise<void> {
    await this.#pass(QUIET_MS);
    for (const judge of this.#judges) judge.quiet?.();
    const closing = [...this.#registries.keys()].map((name) => {
      const { process } = this.#nodes.get(name)!;
      return new Promise<void>((resolve) => {
        if (process.dead) resolve();
        else process.later(0, () => this.#close(name, 0).then(resolve));
      });
    });
    let closed = false;
    void Promise.all(closing).then(() => {
      closed = true;
    });
    await this.#pass(QUIET_MS);
    if (!closed)
      this.#evidence.violate('nothing left', 'the locks are not closed 20 s after they were to be');
    for (const { process } of this.#nodes.values()) {
      if (!process.dead && process.timers > 0)
        this.#evidence.violate(
          'nothing left',
          `${process.name} has ${process.timers} timers after its locks are closed`,
        );
    }
  }

  async #pass(ms: number): Promise<void> {
    const end = this.#world.now + ms;
    this.#world.at(end, () => {});
    await this.#world.run(() => this.#world.now >= end);
  }

  async #close(name: string, grace: number): Promise<void> {
    this.#tell(name, 'closes', `grace ${grace}`);
    this.#evidence.closing.add(name);
    await this.#registries.get(name)?.close({ grace });
    this.#tell(name, 'is closed');
  }

  #hostOf(process: SimProcess, registry: LockRegistry, driver: LockDriver): ActorHost {
    const evidence = this.#evidence;
    const world = this.#world;
    const tell = (what: string, ...about: (string | number | undefined)[]) =>
      this.#history.add(process.present, process.name, what, ...about);
    const judge = (each: (judge: Judge) => void) => {
      for (const one of this.#judges) each(one);
    };
    return {
      process,
      driver,
      locker: registry.mustOf('sim'),
      did: tell,
      called: (use, id) => {
        const request = new Request(id, process, use, process.present);
        tell(use.wait === 0 ? 'tries' : 'asks', id, ...describeUse(use));
        evidence.requests.set(id, request);
        for (const key of request.keys) evidence.keys.add(key);
        evidence.waiting.add(request);
        judge((one) => one.called?.(request));
        return request;
      },
      granted: (request, grip) => {
        request.settle(grip);
        tell('HAS', request.id, request.use.keys.join(' '), `fence ${request.fence}`);
        evidence.waiting.delete(request);
        evidence.holding.add(request);
        const { signal } = grip;
        signal.addEventListener('abort', () => {
          const { reason } = signal.reason as LockLostError;
          tell('is told of loss', request.id, reason);
          if (reason === 'revoked') evidence.toldOfRevocation(request, process.present);
          // With a grace, it is held for that time.
          if (reason !== 'revoked' || !grip.held) evidence.holding.delete(request);
          judge((one) => one.lost?.(request, reason));
        });
        const revoked = evidence.noteRevocation(request);
        judge((one) => one.settled?.(request));
        if (revoked) judge((one) => one.revoked?.(request));
      },
      refused: (request, refusal, error) => {
        request.refuse(refusal);
        tell(refusal, request.id, error instanceof Error ? error.message : undefined);
        evidence.waiting.delete(request);
        judge((one) => one.settled?.(request));
        if (refusal === 'other') evidence.violate('no surprise', `${request.id}: ${describe(error)}`);
      },
      giveUp: (request) => evidence.giveUp(request),
      refreshed: (request, ttl, answer) => {
        tell('refreshed', request.id, ttl, String(answer));
        judge((one) => one.refreshed?.(request, answer === true));
      },
      blocks: (request, ms) => {
        tell('blocks', request.id, ms);
        process.block(ms);
        evidence.disturb('pause', process, world.now, process.busyUntil);
      },
      releasing: (request) => {
        tell('releases', request.id);
        judge((one) => one.releasing?.(request));
        request.releasingAt = process.present;
        evidence.holding.delete(request);
      },
      releasedAgain: (request, answer) => {
        tell('released again', request.id, String(answer));
        judge((one) => one.releasedAgain?.(request, answer));
      },
      released: (request, answer) => {
        tell('released', request.id, String(answer));
        request.releasedAt = process.present;
        // It may have been revoked on the way.
        evidence.noteRevocation(request);
        judge((one) => one.released?.(request, answer));
      },
    };
  }

  #changed(key: string, change: ModelChange): void {
    const { what } = change;
    const about = 'hold' in change ? change.hold : change.place;
    const more = 'hold' in change ? `fence ${change.hold.fence}` : '';
    const why = 'why' in change ? change.why : '';
    if (what !== 'kept') this.#tell('server', what, about.meta.id, key, about.mode, more, why);
    const revoked = change.what === 'revoked' ? this.#evidence.revoke(key, change.hold) : [];
    for (const judge of this.#judges) {
      judge.changed?.(key, change);
      for (const request of revoked) judge.revoked?.(request);
    }
  }

  #tell(who: string, what: string, ...about: (string | number | undefined)[]): void {
    this.#history.add(this.#world.now, who, what, ...about);
  }
}

function describeUse({ manner, keys, mode, limit, ttl, wait }: Use): string[] {
  const limited = limit === undefined ? [] : [`limit ${limit}`];
  return [manner, keys.join(' '), mode, ...limited, `ttl ${ttl}`, `wait ${wait}`];
}

function describe(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
