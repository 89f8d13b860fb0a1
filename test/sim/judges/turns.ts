import type { ModelChange } from '../../../src/testing/model-lock.js';
import type { Evidence, Judge } from '../evidence.js';
import type { Request } from '../request.js';

// A waiter that hears nothing looks by itself within this.
const LONGEST_LOOK_MS = 5_000;

interface Turn {
  readonly request: Request;
  readonly key: string;
  readonly since: number;
}

export class Turns implements Judge {
  readonly name = 'nobody forgotten';
  readonly promise =
    'A waiter that hears nothing looks by itself, within 5 s: whose turn it is has the lock then.';
  readonly #evidence: Evidence;
  /** By key and request: whose turn it is, and whom the caller has not been told yet. */
  readonly #turns = new Map<string, Turn>();

  constructor(evidence: Evidence) {
    this.#evidence = evidence;
  }

  changed(key: string, change: ModelChange): void {
    if ('hold' in change && change.what !== 'ended') {
      const { world, serverNow } = this.#evidence;
      world.afterAllAt(world.now + change.hold.until - serverNow + 0.01, () => this.#look(key));
    }
    if (change.what === 'ended' || change.what === 'unplaced') {
      const { meta } = change.what === 'ended' ? change.hold : change.place;
      this.#turns.delete(`${key} ${meta.id}`);
    }
    if (change.what === 'entered' && change.place) this.#entered(key, change.hold.meta.id);
    this.#look(key);
  }

  settled(request: Request): void {
    for (const key of request.keys) {
      this.#turns.delete(`${key} ${request.id}`);
      this.#look(key);
    }
  }

  /** Whose turn it would be, if the server acted by itself. */
  #look(key: string): void {
    const { server, serverNow } = this.#evidence;
    const lock = server.lock(key);
    const [first] = lock.places;
    if (!first) return;
    const holds = [...lock.holds].filter(({ until }) => until > serverNow);
    const fits =
      first.mode === 'write'
        ? holds.length === 0
        : holds.length < first.limit && holds.every(({ mode }) => mode === 'read');
    if (fits) this.#begin(key, first.meta.id);
    else this.#turns.delete(`${key} ${first.meta.id}`);
  }

  #entered(key: string, id: string | undefined): void {
    // One of several keys is nothing to tell of yet.
    if (this.#evidence.requests.get(id ?? '')?.keys.length === 1) this.#begin(key, id);
    else this.#turns.delete(`${key} ${id}`);
  }

  #begin(key: string, id: string | undefined): void {
    const name = `${key} ${id}`;
    const request = this.#evidence.requests.get(id ?? '');
    if (this.#turns.has(name) || !request?.waits) return;
    const turn = { request, key, since: this.#evidence.world.now };
    this.#turns.set(name, turn);
    this.#check(name, turn, turn.since);
  }

  /** When it has been its turn for too long, and nothing hindered it since then. */
  #check(name: string, turn: Turn, since: number): void {
    const { world, network } = this.#evidence;
    const bound = LONGEST_LOOK_MS + 5 * network.latency[1] + 50;
    world.afterAllAt(since + bound, () => {
      const { request, key } = turn;
      if (this.#turns.get(name) !== turn || request.process.dead || !request.waits) return;
      const until = this.#evidence.hinderedUntil(request.process, since);
      if (until > since) return this.#check(name, turn, Math.min(until, world.now));
      this.#turns.delete(name);
      // Old data may bring back its place at a key that it does not ask for any more, or not yet.
      if (request.keys.length > 1 && this.#evidence.dataLostSince(request.calledAt)) return;
      const late = (world.now - turn.since).toFixed(0);
      this.#evidence.violate(this.name, `it is the turn of ${request.id} at ${key} for ${late} ms`);
    });
  }
}
