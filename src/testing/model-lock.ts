import type { Freeing, Served } from '../engine/store.js';
import type { LockInfo, LockMode } from '../lease/driver.js';

/** How many fences a writer's claim reserves after its own. */
export const FENCES_PER_CLAIM = 63;
// A process that is connecting again keeps its places for so long.
const MISSING_MS = 3_000;
// A claim that comes later than the end of its token is refused for so long.
const REFUSED_LATE_MS = 60_000;
// Renewals of a hold that was revoked are told so for so long.
const TOLD_REVOKED_MS = 60_000;
// A waiter that is told nothing claims again within so long.
const LOOK_MS = 5_000;
const PLACES_SHOWN = 100;

interface Owner {
  readonly token: string;
  /** Whose connection made the claim. */
  readonly process: string;
  readonly mode: LockMode;
  readonly limit: number;
  readonly meta: Readonly<Record<string, string>>;
}

export interface ModelHold extends Owner {
  readonly fence: number;
  /** The largest fence that its process may hand it on under. */
  readonly lastFence: number;
  readonly since: number;
  /** Whom it serves, as far as a renewal has told. */
  serves: Served;
  until: number;
  sequence: number;
  revoked: boolean;
  /** It is over, and keeps the lock taken until then. */
  readonly rests: boolean;
}

export interface ModelPlace extends Owner {
  readonly ttl: number;
  readonly since: number;
}

/** What a process says of its places in one queue. */
interface Stamp {
  staleAt: number;
  missingSince: number | undefined;
}

/** What a server sends to a process by itself. */
export type ModelMessage =
  | { readonly what: 'granted'; readonly token: string; readonly fence: number; readonly run: string[] }
  | { readonly what: 'revoked'; readonly token: string; readonly grace: number }
  | { readonly what: 'lookIn'; readonly ms: number };

/** One thing that changed in a lock. */
export type ModelChange =
  | { readonly what: 'placed'; readonly place: ModelPlace }
  /** It was claimed again. */
  | { readonly what: 'kept'; readonly place: ModelPlace }
  /** `left`: it was given up. `served`: by a hold that was handed on. `gone`: its process is. */
  | { readonly what: 'unplaced'; readonly place: ModelPlace; readonly why: 'left' | 'served' | 'gone' }
  /** `place`: the one that it had waited in. */
  | { readonly what: 'entered'; readonly hold: ModelHold; readonly place: ModelPlace | undefined }
  | { readonly what: 'renewed'; readonly hold: ModelHold }
  /** It ends at `hold.until`, which may be now. */
  | { readonly what: 'revoked'; readonly hold: ModelHold }
  | {
      readonly what: 'ended';
      readonly hold: ModelHold;
      readonly why: 'freed' | 'left' | 'expired' | 'revoked' | 'lost';
    };

/** What a lock needs of its server. */
export interface ModelLockHost {
  /** µs since 1970. */
  micros(): number;
  /** Whether messages to the process have a receiver; true where the server cannot tell. */
  reaches(process: string): boolean;
  send(process: string, key: string, message: ModelMessage): void;
  changed(key: string, change: ModelChange): void;
}

export interface ModelClaim extends Owner {
  readonly ttl: number;
  /** Undefined: a try. */
  readonly vouchFor: number | undefined;
}

export type ModelAnswer =
  | { readonly granted: true; readonly fence: number; readonly ttl: number; readonly run: string[] }
  | { readonly granted: false; readonly left: number; readonly before: number; readonly kept: boolean };

const REFUSED_LATE: ModelAnswer = { granted: false, left: 0, before: 0, kept: false };

/** What a server keeps for one key, and what it does with it. Nothing happens but in a call. */
export class ModelLock {
  readonly #key: string;
  readonly #host: ModelLockHost;
  readonly #holds = new Map<string, ModelHold>();
  #places: ModelPlace[] = [];
  readonly #stamps = new Map<string, Stamp>();
  readonly #refusedLate = new Map<string, number>();
  readonly #toldRevoked = new Map<string, number>();
  #lastFence = 0;

  constructor(key: string, host: ModelLockHost) {
    this.#key = key;
    this.#host = host;
  }

  get holds(): Iterable<ModelHold> {
    return this.#holds.values();
  }

  get places(): readonly ModelPlace[] {
    return this.#places;
  }

  /** Whether nothing is stored but the last fence. */
  get idle(): boolean {
    return this.#holds.size === 0 && this.#places.length === 0 && this.#stamps.size === 0;
  }

  claim(claim: ModelClaim): ModelAnswer {
    const { token, process, mode, limit, ttl, meta, vouchFor } = claim;
    this.#expire();
    const mine = this.#holds.get(token);
    if (mine)
      return { granted: true, fence: mine.serves.fence, ttl: mine.until - this.#now, run: this.#runOf(mine) };
    if ((this.#refusedLate.get(token) ?? 0) > this.#now) return REFUSED_LATE;
    const former = this.#places.find((place) => place.token === token);
    if (vouchFor !== undefined) {
      const place = former ?? { token, process, mode, limit, ttl, meta, since: this.#now };
      if (!former) this.#places.push(place);
      this.#stamps.set(process, { staleAt: this.#now + vouchFor, missingSince: undefined });
      this.#changed({ what: former ? 'kept' : 'placed', place });
    }
    const waits = this.#handOver(vouchFor === undefined ? undefined : claim);
    if (vouchFor === undefined && !waits && this.#fits(claim)) {
      this.#unplace(token, 'left');
      this.#enter(claim, undefined);
    }
    const hold = this.#holds.get(token);
    if (hold) return { granted: true, fence: hold.fence, ttl, run: this.#runOf(hold) };
    const before = this.#places.findIndex((place) => place.token === token);
    return {
      granted: false,
      left: this.#left(mode, limit),
      before: before < 0 ? this.#places.length : before,
      kept: former !== undefined,
    };
  }

  renew(
    token: string,
    mode: LockMode,
    ttl: number,
    sequence: number,
    serves?: Served,
  ): 'renewed' | 'lost' | { revoked: number } {
    this.#expire();
    const hold = this.#holds.get(token);
    if (!hold || hold.rests || hold.mode !== mode)
      return (this.#toldRevoked.get(token) ?? 0) > this.#now ? { revoked: 0 } : 'lost';
    if (hold.revoked) return { revoked: hold.until - this.#now };
    if (sequence > hold.sequence) {
      hold.sequence = sequence;
      hold.until = this.#now + ttl;
      if (serves) hold.serves = serves;
      this.#changed({ what: 'renewed', hold });
    }
    return 'renewed';
  }

  free(token: string, how: Freeing): 'freed' | 'not-held' {
    this.#expire();
    for (const served of how.served ?? []) this.#unplace(served, 'served');
    this.#unplace(token, 'left');
    const hold = this.#holds.get(token);
    const held = hold !== undefined && hold.mode === how.mode && !hold.rests;
    const keepFor = how.keepFor ?? 0;
    if (held) {
      this.#end(hold, 'freed');
      this.#lastFence = Math.max(this.#lastFence, how.usedFence ?? 0);
      if (keepFor > 0) this.#rest(hold, keepFor);
    }
    if (how.late) for (const each of [token, ...(how.served ?? [])]) this.#refuseLater(each);
    this.#handOver(undefined, held && keepFor > 0);
    return held ? 'freed' : 'not-held';
  }

  /** `late`: claims of the tokens may still come, and are to be refused. */
  leave(tokens: readonly string[], late: boolean): void {
    this.#expire();
    const waited = this.#places.length;
    for (const token of tokens) {
      this.#unplace(token, 'left');
      const hold = this.#holds.get(token);
      if (hold && !hold.rests) this.#end(hold, 'left');
      if (late) this.#refuseLater(token);
    }
    // One of them may have been told when that is.
    const left = this.#places.length < waited;
    this.#handOver(undefined, left && this.#endsSoon());
  }

  revoke(fence: number, grace: number): boolean {
    this.#expire();
    const hold = [...this.#holds.values()].find((each) => !each.rests && each.serves.fence === fence);
    if (!hold) return false;
    // Read once: the time left is never less than 0.
    const now = this.#now;
    const until = Math.max(now, Math.min(hold.until, now + grace));
    this.#send(hold.process, { what: 'revoked', token: hold.token, grace: until - now });
    this.#toldRevoked.set(hold.token, now + TOLD_REVOKED_MS);
    hold.revoked = true;
    hold.until = until;
    this.#changed({ what: 'revoked', hold });
    if (grace === 0) this.#end(hold, 'revoked');
    this.#handOver(undefined, grace > 0);
    return true;
  }

  read(): LockInfo | null {
    const now = this.#now;
    const holds = [...this.#holds.values()].filter(({ until }) => until > now);
    const holders = holds.filter(({ rests }) => !rests);
    const first = holders[0] ?? this.#places[0];
    if (!first && holds.length === 0) return null;
    const limit = Math.min(...holders.map((hold) => hold.limit));
    const rests = holds.filter((hold) => hold.rests).map(({ until }) => until);
    return {
      key: this.#key,
      mode: first?.mode ?? 'write',
      ...(limit < Infinity && { limit }),
      waiters: this.#places.length,
      holders: holders.map(({ serves: { fence, meta }, until, since }) => ({
        fence,
        ttl: until - now,
        since,
        meta: { ...meta },
      })),
      waiting: this.#places
        .slice(0, PLACES_SHOWN)
        .map(({ mode, since, meta }) => ({ mode, since, meta: { ...meta } })),
      ...(rests.length > 0 && { restsUntil: Math.max(...rests) }),
    };
  }

  /** Everything is gone, the last fence too. */
  lose(): void {
    const [holds, places] = [[...this.#holds.values()], this.#places];
    this.#holds.clear();
    this.#places = [];
    this.#stamps.clear();
    this.#refusedLate.clear();
    this.#toldRevoked.clear();
    this.#lastFence = 0;
    for (const hold of holds) this.#changed({ what: 'ended', hold, why: 'lost' });
    for (const place of places) this.#changed({ what: 'unplaced', place, why: 'gone' });
  }

  /** What another lock of the same key stores. */
  copy(host: ModelLockHost): ModelLock {
    const copy = new ModelLock(this.#key, host);
    for (const [token, hold] of this.#holds) copy.#holds.set(token, { ...hold });
    copy.#places = [...this.#places];
    for (const [process, stamp] of this.#stamps) copy.#stamps.set(process, { ...stamp });
    for (const [token, until] of this.#refusedLate) copy.#refusedLate.set(token, until);
    for (const [token, until] of this.#toldRevoked) copy.#toldRevoked.set(token, until);
    copy.#lastFence = this.#lastFence;
    return copy;
  }

  get #now(): number {
    return Math.floor(this.#host.micros() / 1_000);
  }

  #changed(change: ModelChange): void {
    this.#host.changed(this.#key, change);
  }

  #send(process: string, message: ModelMessage): void {
    this.#host.send(process, this.#key, message);
  }

  #expire(): void {
    const now = this.#now;
    for (const hold of this.#holds.values()) if (hold.until <= now) this.#end(hold, 'expired');
  }

  /**
   * Lets the first live places in that fit; true: a live place still waits, or a writer is inside. `tells`: the next one is
   * told when the lock will be free, as it is where one comes in while others end soon.
   */
  #handOver(own?: ModelClaim, tells = false): boolean {
    const granted: ModelHold[] = [];
    const soon = this.#endsSoon();
    const waits = this.#admit(granted, own);
    // The last one first, as Redis does.
    for (const hold of granted.reverse()) {
      const { token, fence } = hold;
      if (token !== own?.token)
        this.#send(hold.process, { what: 'granted', token, fence, run: this.#runOf(hold) });
    }
    if (tells || (soon && granted.length > 0)) this.#tellWhenFree();
    return waits;
  }

  /** Whether a rest, or the time of a hold, may be over before those who wait look by themselves. */
  #endsSoon(): boolean {
    const soon = this.#now + LOOK_MS;
    return [...this.#holds.values()].some(({ mode, rests, revoked, until }) =>
      mode === 'read' ? until <= soon : rests || revoked,
    );
  }

  #admit(granted: ModelHold[], own: ModelClaim | undefined): boolean {
    const states = new Map<string, 'here' | 'missing' | 'gone'>();
    if (own) states.set(own.process, 'here');
    for (const place of [...this.#places]) {
      if (this.#writerInside()) return true;
      const { process, token } = place;
      const state = states.get(process) ?? this.#stateOf(process);
      states.set(process, state);
      if (state === 'gone') this.#unplace(token, 'gone');
      if (state !== 'here') continue;
      if (!this.#fits(place)) return true;
      this.#remove(place);
      granted.push(this.#enter(place, place));
    }
    return this.#writerInside();
  }

  #stateOf(process: string): 'here' | 'missing' | 'gone' {
    if (this.#hears(process)) return 'here';
    const stamp = this.#stamps.get(process);
    if (!stamp || stamp.staleAt <= this.#now) return 'gone';
    stamp.missingSince ??= this.#now;
    return stamp.missingSince + MISSING_MS <= this.#now ? 'gone' : 'missing';
  }

  #hears(process: string): boolean {
    return (this.#stamps.get(process)?.staleAt ?? 0) > this.#now && this.#host.reaches(process);
  }

  #writerInside(): boolean {
    for (const { mode } of this.#holds.values()) if (mode === 'write') return true;
    return false;
  }

  #fits({ mode, limit }: Owner): boolean {
    if (mode === 'write') return this.#holds.size === 0;
    return !this.#writerInside() && this.#holds.size < limit;
  }

  #enter(claim: Owner & { readonly ttl: number }, place: ModelPlace | undefined): ModelHold {
    const { token, process, mode, limit, meta, ttl } = claim;
    const fence = Math.max(this.#lastFence + 1, this.#host.micros());
    this.#lastFence = fence + (mode === 'write' ? FENCES_PER_CLAIM : 0);
    const since = this.#now;
    const hold: ModelHold = {
      token,
      process,
      mode,
      limit,
      meta,
      fence,
      lastFence: this.#lastFence,
      since,
      serves: { fence, meta },
      until: since + ttl,
      sequence: 0,
      revoked: false,
      rests: false,
    };
    this.#holds.set(token, hold);
    this.#changed({ what: 'entered', hold, place });
    return hold;
  }

  #rest(hold: ModelHold, keepFor: number): void {
    const token = hold.mode === 'write' ? '-' : `-${hold.token}`;
    this.#holds.set(token, { ...hold, token, until: this.#now + keepFor, rests: true });
  }

  #end(hold: ModelHold, why: 'freed' | 'left' | 'expired' | 'revoked' | 'lost'): void {
    this.#holds.delete(hold.token);
    this.#changed({ what: 'ended', hold, why });
  }

  #refuseLater(token: string): void {
    this.#refusedLate.set(token, this.#now + REFUSED_LATE_MS);
  }

  #unplace(token: string, why: 'left' | 'served' | 'gone'): void {
    const place = this.#places.find((each) => each.token === token);
    if (!place) return;
    this.#remove(place);
    this.#changed({ what: 'unplaced', place, why });
  }

  #remove(place: ModelPlace): void {
    this.#places.splice(this.#places.indexOf(place), 1);
    if (!this.#places.some(({ process }) => process === place.process)) this.#stamps.delete(place.process);
  }

  /** The writers of the same process that stand at the head of the queue. */
  #runOf({ mode, process }: ModelHold): string[] {
    if (mode !== 'write') return [];
    const places = this.#places.slice(0, FENCES_PER_CLAIM);
    const end = places.findIndex((place) => place.process !== process || place.mode !== 'write');
    return (end < 0 ? places : places.slice(0, end)).map(({ token }) => token);
  }

  /** ms until the last hold is over; for one with a limit, the first of the shared ones. */
  #left(mode: LockMode, limit: number): number {
    const ends = [...this.#holds.values()].map(({ until }) => until);
    if (ends.length === 0) return 0;
    const shared = mode === 'read' && limit < Infinity;
    return (shared ? Math.min(...ends) : Math.max(...ends)) - this.#now;
  }

  #tellWhenFree(): void {
    const first = this.#places.find(({ process }) => this.#hears(process));
    if (first) this.#send(first.process, { what: 'lookIn', ms: this.#left(first.mode, first.limit) });
  }
}
