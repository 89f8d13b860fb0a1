import type { LockMode } from '../../src/lease/driver.js';
import type { ProcessTraits } from './process.js';

/** All that is decided before a run. What is left out of a plan changes nothing in the rest. */
export interface Plan {
  readonly scenario: string;
  readonly seed: number;
  readonly network: NetworkPlan;
  readonly processes: readonly ProcessPlan[];
  readonly faults: readonly FaultPlan[];
}

export interface NetworkPlan {
  /** ms that a call, an answer or a message takes. */
  readonly latency: readonly [least: number, most: number];
  /** Whether the latency is in whole ms, so that much happens at one time. */
  readonly whole: boolean;
  /** Whether messages and answers come over one connection, in order. */
  readonly ordered: boolean;
  /** How often an answer, and a message, takes as long as it may; else it takes little. */
  readonly delayed?: { readonly answer: number; readonly message: number } | undefined;
  /** Whether the server can tell that a process is not connected. */
  readonly reportsDeadReceivers: boolean;
}

export interface ProcessPlan {
  readonly name: string;
  readonly traits: ProcessTraits;
  readonly startsAt: number;
  /** It is killed, or closes its locks with some grace. */
  readonly ends?: { readonly at: number; readonly grace?: number } | undefined;
  readonly actors: readonly ActorPlan[];
}

/** One that does one thing after the other. */
export interface ActorPlan {
  readonly name: string;
  readonly steps: readonly Step[];
}

export type Step = Use | Inspect | Revoke;

/** How a lock is asked for. */
export type Manner = 'acquire' | 'with' | 'try' | 'tryWith' | 'handle';

/** Asks for a lock, and holds it for a time if it gets it. */
export interface Use {
  readonly do: 'use';
  /** ms after what it did before. */
  readonly after: number;
  readonly manner: Manner;
  readonly keys: readonly string[];
  readonly mode: LockMode;
  readonly limit?: number | undefined;
  readonly ttl: number;
  readonly wait: number | 'forever';
  /** Delays of a retry strategy. */
  readonly retry?: readonly number[] | undefined;
  readonly autoRenew?: boolean | undefined;
  readonly maxHold?: number | undefined;
  readonly atLeast?: number | undefined;
  /** ms from the asking until it gives up; `Infinity`: it may give up with all others of its process. */
  readonly abort?: number | undefined;
  readonly hold: number;
  /** Its event loop is blocked for so many ms, half-way through. */
  readonly block?: number | undefined;
  /** Sets the time left to each of these, one shortly after the other, half-way through. */
  readonly refresh?: readonly number[] | undefined;
  /** `twice`: a second release, which must answer the same, and a third past the lease, which must be false. */
  readonly end: 'release' | 'twice' | 'forget';
}

export interface Inspect {
  readonly do: 'inspect';
  readonly after: number;
  readonly key: string;
}

/** Takes a hold away, if there is one. */
export interface Revoke {
  readonly do: 'revoke';
  readonly after: number;
  readonly key: string;
  readonly grace: number;
}

/** Something that goes wrong. `process`: which it happens to. */
export type FaultPlan =
  | { readonly do: 'pause'; readonly at: number; readonly process: string; readonly ms: number }
  | {
      readonly do: 'cut';
      readonly at: number;
      readonly process: string;
      readonly reconnect: number;
      readonly processKnows: number;
      readonly serverKnows: number;
      /** Calls on their way are run so many ms late. */
      readonly runLate?: number | undefined;
    }
  | { readonly do: 'silence'; readonly at: number; readonly process: string; readonly ms: number }
  | {
      readonly do: 'slow';
      readonly at: number;
      readonly process: string;
      readonly ms: number;
      readonly by: number;
    }
  | {
      readonly do: 'messages';
      readonly at: number;
      readonly process: string;
      readonly ms: number;
      /** How often a message is lost, is doubled, and is late, and by how much. */
      readonly lost: number;
      readonly doubled: number;
      readonly late: number;
      readonly by: number;
    }
  /** All who wait there give up at once. */
  | { readonly do: 'abandon'; readonly at: number; readonly process: string }
  | { readonly do: 'block'; readonly at: number; readonly ms: number }
  | {
      readonly do: 'refuse';
      readonly at: number;
      readonly ms: number;
      readonly outcome: 'refused' | 'passing';
    }
  | { readonly do: 'down'; readonly at: number; readonly ms: number; readonly loses: boolean }
  /** A fail-over to a copy that is `lag` ms old. */
  | { readonly do: 'failOver'; readonly at: number; readonly lag: number; readonly ms: number }
  | { readonly do: 'lose'; readonly at: number }
  | { readonly do: 'step'; readonly at: number; readonly by: number };

/** Steps, actors, processes and faults of a plan. */
export function sizeOf({ processes, faults }: Plan): number {
  const actors = processes.flatMap((process) => process.actors);
  return processes.length + actors.length + actors.flatMap(({ steps }) => steps).length + faults.length;
}
