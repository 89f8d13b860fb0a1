import type { ModelChange, ModelHold } from '../../src/testing/model-lock.js';
import type { ModelServer } from '../../src/testing/model-server.js';
import type { History } from './history.js';
import type { NetworkPlan } from './plan.js';
import type { SimProcess } from './process.js';
import { GIVEN_UP, type Request, type Revocation } from './request.js';
import type { World } from './world.js';

/** What went wrong, and for how long. Without a process: with all of them. */
export interface Disturbance {
  readonly kind: Kind;
  readonly process: string | undefined;
  readonly from: number;
  until: number;
}

/**
 * `pause`: the process did nothing. `cut`: it had no connection. `silence`: nothing passed. `slow`: all took longer. `refusal`: the server
 * answered with errors. `messages`: some were lost or late. `data`: the server lost some. `clock`: its clock
 * stepped.
 */
export type Kind = 'pause' | 'cut' | 'silence' | 'slow' | 'refusal' | 'messages' | 'data' | 'clock';

/** A hold that the server takes away. */
interface Revoked {
  readonly key: string;
  readonly hold: ModelHold;
  readonly revocation: Revocation;
  /** Its holder has been told. */
  toldAt?: number;
}

/** A promise that was not kept. */
export interface Violation {
  readonly judge: string;
  readonly at: number;
  readonly text: string;
}

/** All that is known of a run so far, and what is found in it. */
export class Evidence {
  readonly requests = new Map<string, Request>();
  /** Those that have no answer yet. */
  readonly waiting = new Set<Request>();
  /** Those that hold, for all that they know. */
  readonly holding = new Set<Request>();
  readonly disturbances: Disturbance[] = [];
  readonly violations: Violation[] = [];
  readonly processes = new Map<string, SimProcess>();
  /** Those that were asked for, by their full names. */
  readonly keys = new Set<string>();
  /** Processes whose locks close. */
  readonly closing = new Set<string>();
  /** The holds that the server takes away. */
  readonly #revoked: Revoked[] = [];

  constructor(
    readonly world: World,
    readonly server: ModelServer,
    readonly history: History,
    readonly network: NetworkPlan,
  ) {}

  violate(judge: string, text: string): void {
    this.violations.push({ judge, at: this.world.now, text });
    this.history.add(this.world.now, 'JUDGE', judge, text);
  }

  /** Its caller gives up, if it waits still. */
  giveUp(request: Request): void {
    if (!request.waits) return;
    const { process, id, stop } = request;
    this.history.add(process.present, process.name, 'gives up', id);
    request.abortedAt = process.present;
    stop.abort(GIVEN_UP);
  }

  /** Whose claim it is. */
  requestOf({ meta }: { readonly meta: Readonly<Record<string, string>> }): Request | undefined {
    return this.requests.get(meta.id ?? '');
  }

  disturb(kind: Kind, process: SimProcess | undefined, from: number, until: number): Disturbance {
    const disturbance = { kind, process: process?.name, from, until };
    this.disturbances.push(disturbance);
    return disturbance;
  }

  /** The process has a new connection: what was wrong with the former one is over. */
  reconnected({ name }: SimProcess): void {
    for (const each of this.disturbances)
      if (each.process === name && (each.kind === 'cut' || each.kind === 'silence'))
        each.until = Math.min(each.until, this.world.now);
  }

  /** The server takes a hold away: whose. */
  revoke(key: string, hold: ModelHold): Request[] {
    const at = this.world.now;
    this.#revoked.push({ key, hold, revocation: { at, endsAt: at + hold.until - this.serverNow } });
    return [...this.holding].filter((request) => this.noteRevocation(request));
  }

  /** Whether a hold of it is being taken away, which was not known of it yet. */
  noteRevocation(request: Request): boolean {
    const known = request.revocation;
    for (const { key, hold, revocation } of this.#revoked) {
      if (!serves(hold, key, request)) continue;
      const { at, endsAt } = request.revocation ?? revocation;
      request.revocation = { at, endsAt: Math.min(endsAt, revocation.endsAt) };
    }
    return known === undefined && request.revocation !== undefined;
  }

  /** Its holder knows that it is revoked. */
  toldOfRevocation(request: Request, at: number): void {
    request.toldAt = at;
    for (const each of this.#revoked) if (serves(each.hold, each.key, request)) each.toldAt ??= at;
  }

  /** Whether it was granted under a hold whose former holder had been told before that it is revoked. */
  servedByEnding(request: Request): boolean {
    const before = request.settledAt!;
    return this.#revoked.some(
      ({ key, hold, toldAt }) => toldAt !== undefined && toldAt < before && serves(hold, key, request),
    );
  }

  /** Whether a hold that was claimed for it was revoked, be it known of that one or not. */
  wasRevoked(request: Request): boolean {
    return request.revoked || this.#revoked.some(({ hold }) => this.requestOf(hold) === request);
  }

  /** Those that this process felt between two moments. */
  felt(process: SimProcess, from: number, until: number, ...kinds: readonly Kind[]): Disturbance[] {
    return this.disturbances.filter(
      (each) =>
        (each.process === undefined || each.process === process.name) &&
        each.from <= until &&
        each.until >= from &&
        (kinds.length === 0 || kinds.includes(each.kind)),
    );
  }

  /** ms for which the process did nothing between two moments. */
  paused(process: SimProcess, from: number, until: number): number {
    return this.felt(process, from, until, 'pause').reduce(
      (sum, pause) => sum + Math.min(until, pause.until) - Math.max(from, pause.from),
      0,
    );
  }

  /** Whether anything went wrong for this process since then. */
  hindered(process: SimProcess, since: number): boolean {
    return this.felt(process, since, this.world.now).length > 0;
  }

  /** When the last thing that went wrong for this process since then is over; else `since`. */
  hinderedUntil(process: SimProcess, since: number): number {
    return this.felt(process, since, this.world.now).reduce(
      (last, { until }) => Math.max(last, until),
      since,
    );
  }

  /** ms that a lease may be over in before an answer is here. */
  get briefest(): number {
    return 10 * this.network.latency[1] + 100;
  }

  /** Whether the ttl is so short that a grant may be over before it is known. */
  isBrief({ use }: Request): boolean {
    return Math.min(use.ttl, ...(use.refresh ?? [])) < this.briefest;
  }

  /** Whether a claim of it may have been run after it was over. */
  ranLate({ process, calledAt }: Request): boolean {
    return this.felt(process, calledAt, this.world.now, 'cut').length > 0;
  }

  /** Whether the server may have dropped what it granted since then, or counted its time otherwise. */
  dataLostSince(at: number): boolean {
    return this.disturbances.some(({ kind, until }) => (kind === 'data' || kind === 'clock') && until >= at);
  }

  /** ms on the server's clock, with their fractions. */
  get serverNow(): number {
    return this.server.micros / 1_000;
  }

  /** Whether the server has a hold that was claimed for this request. */
  hasHold(request: Request, key: string): boolean {
    for (const hold of this.server.lock(key).holds) if (this.requestOf(hold) === request) return true;
    return false;
  }

  /**
   * The hold that the server has for a request now: its own, or one of its process that was handed on to it. The latest: a
   * call that lost one of its keys claims all of them anew, and a release of the former may be pending.
   */
  holdOf(request: Request, key: string): ModelHold | undefined {
    let latest: ModelHold | undefined;
    for (const hold of this.server.lock(key).holds) {
      if (hold.rests || hold.process !== request.process.name || hold.until <= this.serverNow) continue;
      const isIts = hold.mode === 'write' || this.requestOf(hold) === request;
      if (isIts && hold.fence > (latest?.fence ?? 0)) latest = hold;
    }
    return latest;
  }
}

/** Whether it was granted under this hold, be it handed on. */
function serves(hold: ModelHold, key: string, { process, fences }: Request): boolean {
  const fence = fences.get(key);
  return (
    hold.process === process.name && fence !== undefined && fence >= hold.fence && fence <= hold.lastFence
  );
}

/** Judges one promise; told of all that happens. */
export interface Judge {
  readonly name: string;
  /** What it judges, as docs/guarantees.md says it. */
  readonly promise: string;
  called?(request: Request): void;
  /** It was granted, or refused. */
  settled?(request: Request): void;
  /** Whether its time was set anew. */
  refreshed?(request: Request, answer: boolean): void;
  releasing?(request: Request): void;
  released?(request: Request, answer: boolean | 'outage'): void;
  /** It was asked for once more, of the driver itself. */
  releasedAgain?(request: Request, answer: boolean): void;
  /** It was told that the hold is lost. */
  lost?(request: Request, reason: string): void;
  changed?(key: string, change: ModelChange): void;
  /** The server takes a hold of it away, or has before it was granted. */
  revoked?(request: Request): void;
  /** After everything that happens. */
  sample?(): void;
  /** All that was asked for is over, for long enough. */
  quiet?(): void;
  /** The locks are closed. */
  ended?(): void;
}
