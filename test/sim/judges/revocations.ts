import type { ModelChange, ModelHold, ModelPlace } from '../../../src/testing/model-lock.js';
import type { Disturbance, Evidence, Judge, Kind } from '../evidence.js';
import type { Request } from '../request.js';

const SLACK_MS = 30;
// What is sent meanwhile passes afterwards.
const DELAYS: readonly Kind[] = ['pause', 'silence', 'slow'];
// When a renewal is due, of the ttl: a third, on a grid of 1/32.
const RENEWED_AFTER = 1 / 3 + 1 / 32;
// A server tells for so long that a hold was revoked.
const TOLD_MS = 60_000;
// How long an answer that gives a place may come after a message about it.
const PLACED_MS = 100;
// A process that was hindered within this time may have lost its places.
const PLACES_LAST_MS = 20_000;

/** A revoked hold that the holder has not learned of, as far as the judge knows. */
interface Untold {
  readonly request: Request;
  /** When it was revoked; where the holder did not know of the hold then, when it did. */
  readonly since: number;
}

export class Revocations implements Judge {
  readonly name = 'revocations';
  readonly promise =
    'Who is revoked is told so by a message, else at the next renewal, or else when the time is up. A grace is not exceeded, and then the next waiter gets the key.';
  readonly #evidence: Evidence;
  /** When the time of a revoked hold was up, had it not been revoked. */
  readonly #knownUntil = new Map<Request, number>();

  constructor(evidence: Evidence) {
    this.#evidence = evidence;
  }

  changed(key: string, change: ModelChange): void {
    if (change.what !== 'revoked') return;
    const { world, server, serverNow } = this.#evidence;
    const [first] = server.lock(key).places;
    if (first) this.#checkFreed(key, first, world.now + change.hold.until - serverNow);
  }

  revoked(request: Request): void {
    const since = Math.max(this.#evidence.world.now, request.process.present);
    this.#knownUntil.set(request, this.#evidence.world.now + request.leftNow());
    this.#checkTold({ request, since }, since + this.#quick);
    if (this.#evidence.servedByEnding(request))
      this.#tell(request, 'is served by a hold whose former holder was told that it is revoked');
  }

  lost(request: Request, reason: string): void {
    const { revocation, process, use } = request;
    if (!revocation || this.#evidence.dataLostSince(request.calledAt)) return;
    const now = process.present;
    if (reason === 'revoked') this.#checkGrace(request, now);
    const stolen = reason === 'stolen' && now < revocation.at + TOLD_MS;
    const known = this.#knownUntil.get(request) ?? 0;
    const early = (reason === 'expired' || reason === 'backend') && now < known - SLACK_MS && !use.refresh;
    if (stolen || early) this.#tell(request, `is revoked, and told that it is lost (${reason})`);
  }

  refreshed(request: Request, answer: boolean): void {
    if (answer && request.toldAt !== undefined)
      this.#tell(request, 'is told of its revocation, and then that its time is set');
  }

  /** A message, or where it came before the grant, a message and an answer to a question. */
  get #quick(): number {
    return 3 * this.#evidence.network.latency[1] + SLACK_MS;
  }

  #checkTold(untold: Untold, at: number): void {
    const { world } = this.#evidence;
    world.afterAllAt(at, () => {
      const { request, since } = untold;
      if (request.toldAt !== undefined || !this.#isHeld(request)) return;
      const due = this.#toBeToldBy(untold);
      if (due > world.now) this.#checkTold(untold, due);
      else this.#tell(request, `is revoked, and not told so for ${(world.now - since).toFixed(0)} ms`);
    });
  }

  #toBeToldBy({ request, since }: Untold): number {
    const { use, process } = request;
    const hindrances = this.#hindrancesOf(request);
    const over = (those: readonly Disturbance[]) => Math.max(since, ...those.map(({ until }) => until));
    if (hindrances.every(({ kind }) => DELAYS.includes(kind))) return over(hindrances) + this.#quick;
    const ttl = Math.max(use.ttl, ...(use.refresh ?? [])) / process.rate;
    const answer = 2 * this.#quick + 2 * process.lateness;
    const timeUp = since + ttl + answer;
    // What is lost or late are messages alone: renewals pass.
    const renewed = over(hindrances.filter(({ kind }) => kind !== 'messages')) + ttl * RENEWED_AFTER + answer;
    return request.renews && use.maxHold === undefined ? Math.min(timeUp, renewed) : timeUp;
  }

  /** What it knows of the grace ends with that in the server, once it has asked. */
  #checkGrace(request: Request, toldAt: number): void {
    const { world } = this.#evidence;
    const { endsAt } = request.revocation!;
    const graceUp = toldAt + request.leftNow();
    const check = (at: number, evenIfHindered: boolean) =>
      world.afterAllAt(at, () => {
        if (!this.#isHeld(request) || (!evenIfHindered && this.#hindrancesOf(request).length > 0)) return;
        this.#tell(
          request,
          `is held ${(world.now - endsAt).toFixed(0)} ms after the grace of its revocation`,
        );
      });
    check(Math.max(endsAt, toldAt) + this.#quick, false);
    check(Math.max(endsAt, graceUp) + SLACK_MS, true);
  }

  /** The first in the queue is let in when the hold is over. */
  #checkFreed(key: string, first: ModelPlace, endsAt: number): void {
    const { world, network, server } = this.#evidence;
    const process = this.#evidence.processes.get(first.process)!;
    const since = world.now;
    const bound = 4 * network.latency[1] + 2 * process.lateness + PLACED_MS + SLACK_MS;
    world.afterAllAt(endsAt + bound, () => {
      const lock = server.lock(key);
      const request = this.#evidence.requestOf(first);
      if (lock.places[0] !== first || !request?.waits || request.givenUp(world.now) || process.dead) return;
      const inside = [...lock.holds].some(
        (hold) => hold.until > this.#evidence.serverNow && !(hold.rests && this.#wasTakenAway(hold, endsAt)),
      );
      if (inside || this.#evidence.hindered(process, since - PLACES_LAST_MS)) return;
      this.#tell(
        request,
        `is first at ${key} ${bound.toFixed(0)} ms after the end of a revoked hold, and waits`,
      );
    });
  }

  /** Its holder has not released it by then: the key is not to rest. */
  #wasTakenAway(hold: ModelHold, at: number): boolean {
    const request = this.#evidence.requestOf(hold);
    return request?.toldAt !== undefined && (request.releasingAt ?? Infinity) > at;
  }

  #isHeld(request: Request): boolean {
    const { holding } = this.#evidence;
    if (!holding.has(request) || request.process.dead) return false;
    return request.heldNow() && !this.#evidence.dataLostSince(request.calledAt);
  }

  #hindrancesOf({ process, revocation }: Request): Disturbance[] {
    const { world } = this.#evidence;
    return this.#evidence.felt(process, revocation!.at - this.#quick, world.now);
  }

  #tell({ id }: Request, what: string): void {
    this.#evidence.violate(this.name, `${id} ${what}`);
  }
}
