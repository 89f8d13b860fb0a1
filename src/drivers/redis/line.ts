import type { Clock } from '../../core/clock.js';
import { Deadline, Deadlines } from '../../core/deadlines.js';
import { LockTimeoutError } from '../../core/errors.js';
import type { AcquireRequest } from '../../lease/driver.js';
import { KeyedMutex } from '../../mutex/keyed-mutex.js';
import type { Hold } from './hold.js';
import { askerOf } from './keys.js';

// A hold is handed on inside the process for so long, then other processes have their turn.
const TURN_MS = 20;

/** A hold, and what this process does with it. */
interface Place {
  readonly hold: Hold;
  /** Whether the hold keeps its key's line shut: not for one that was tried for, past the line. */
  readonly inLine: boolean;
  readonly since: number;
  readonly expiry: Deadline;
  extending: number;
  /** On its way from one holder to the next. */
  passing: boolean;
}

/**
 * Who in this process waits for a key, and what it holds. Those who wait stand in one line a key, so that Redis sees
 * one of them; a hold with somebody behind it is handed on without asking Redis, for a while.
 */
export class Line {
  readonly #clock: Clock;
  readonly #giveBack: (hold: Hold) => void;
  readonly #mutex: KeyedMutex<string>;
  readonly #expiries: Deadlines;
  /** By asker: whom the hold serves, and whom Redis knows. */
  readonly #places = new Map<string, Place>();
  /** By key: the writers' holds that keep the line shut. */
  readonly #shut = new Map<string, Place>();

  /** `giveBack` is called for a hold whose time is up, or that was handed on to somebody whom it does not suit. */
  constructor(clock: Clock, giveBack: (hold: Hold) => void) {
    this.#clock = clock;
    this.#giveBack = giveBack;
    this.#mutex = new KeyedMutex({ clock });
    this.#expiries = new Deadlines(clock);
  }

  /** Waits for the head of the line: true there, false when the wait is over. Or a hold comes from who was there. */
  enter(request: AcquireRequest): boolean | Promise<Hold | boolean> {
    const { key, mode } = request;
    const free = mode === 'write' ? this.#mutex.tryLock(key) : this.#mutex.tryRLock(key);
    return free || this.#stand(request);
  }

  async #stand(request: AcquireRequest): Promise<Hold | boolean> {
    const { key, mode, wait, signal, ttl } = request;
    try {
      const options = { wait: wait === Infinity ? 'forever' : wait, signal };
      await (mode === 'write' ? this.#mutex.lock(key, options) : this.#mutex.rLock(key, options));
    } catch (error) {
      if (error instanceof LockTimeoutError) return false;
      throw error;
    }
    const place = this.#shut.get(key);
    if (!place?.passing) return true;
    place.passing = false;
    const left = place.hold.validUntil - this.#clock.now();
    if (mode === 'write' && left >= ttl * 0.9 && left <= ttl) {
      place.hold.request = request;
      this.#places.set(askerOf(request), place);
      return place.hold;
    }
    this.#forget(place);
    this.#giveBack(place.hold);
    return true;
  }

  /** Leaves the head of the line without a hold. */
  leave({ key, mode }: AcquireRequest): void {
    if (mode === 'write') this.#mutex.unlock(key);
    else this.#mutex.rUnlock(key);
  }

  /** Keeps a hold that Redis gave until it is dropped or its time is up. */
  keep(hold: Hold, inLine: boolean): void {
    const expiry = new Deadline(() => {
      // The next one is handed the lock now, and need not find out that it is free.
      this.#giveBack(hold);
      this.drop(hold);
    });
    const since = this.#clock.now();
    const place: Place = { hold, inLine, since, expiry, extending: 0, passing: false };
    this.#places.set(hold.asker, place);
    if (inLine && hold.request.mode === 'write') this.#shut.set(hold.request.key, place);
    this.#expiries.set(expiry, hold.validUntil);
  }

  /** The hold that now serves who asked so. */
  find(asker: string): Hold | undefined {
    const hold = this.#places.get(asker)?.hold;
    // The one who asked Redis for it may have handed it on.
    const handedOn = hold?.asker === asker && hold.request.token !== hold.token;
    return handedOn ? undefined : hold;
  }

  /** The hold that Redis gave to who asked so. */
  findRemote(asker: string): Hold | undefined {
    const hold = this.#places.get(asker)?.hold;
    return hold?.asker === asker ? hold : undefined;
  }

  /**
   * Hands the hold on to the next in line here, if there is one and it is not the turn of other processes. `fence` is
   * that under which it was used: of several keys together, another key's may be larger than any the hold has left.
   */
  handOn(hold: Hold, fence: number): boolean {
    const place = this.#places.get(hold.asker)!;
    const { key, mode, token } = hold.request;
    const now = this.#clock.now();
    const may = place.inLine && mode === 'write' && place.extending === 0 && fence < hold.lastFence;
    if (!may || now - place.since >= TURN_MS || now >= hold.validUntil || this.#mutex.waiting(key) === 0)
      return false;
    if (token !== hold.token) this.#places.delete(askerOf(hold.request));
    hold.fence = Math.max(hold.fence, fence) + 1;
    hold.request = { ...hold.request, token: '' };
    place.passing = true;
    this.#mutex.unlock(key);
    // Those who waited may all have left in this very moment.
    if (!this.#mutex.isLocked(key)) {
      this.drop(hold);
      this.#giveBack(hold);
    }
    return true;
  }

  /** Ends a hold here, and lets the next in line go to Redis. */
  drop(hold: Hold): void {
    const place = this.#places.get(hold.asker);
    if (place?.hold !== hold) return;
    this.#forget(place);
    if (place.inLine && !place.passing) this.leave(hold.request);
  }

  prolong(hold: Hold, validUntil: number): void {
    const place = this.#places.get(hold.asker);
    if (place?.hold !== hold) return;
    hold.validUntil = validUntil;
    this.#expiries.set(place.expiry, validUntil);
  }

  /** While its time is being changed, a hold is not handed on: how much the next one gets would be unknown. */
  async extending<T>(holds: readonly Hold[], fn: () => Promise<T>): Promise<T> {
    const places = holds.map((hold) => this.#places.get(hold.asker)!);
    for (const place of places) place.extending++;
    try {
      return await fn();
    } finally {
      for (const place of places) place.extending--;
    }
  }

  /** Whether anyone in the line here holds, asks for or awaits the key. */
  isBusy(key: string): boolean {
    return this.#mutex.isLocked(key);
  }

  /** Whether a writer of this process surely holds the key. */
  holds(key: string): boolean {
    const place = this.#shut.get(key);
    return place !== undefined && this.#clock.now() < place.hold.validUntil;
  }

  /** How many here wait for the key, beside the one whom Redis sees. */
  waiting(key: string): number {
    return this.#mutex.waiting(key);
  }

  /** Ends all holds here; those in line get to its head, one after the other. */
  close(): void {
    for (const { hold } of [...this.#places.values()]) this.drop(hold);
    this.#expiries.stop();
  }

  #forget(place: Place): void {
    const { hold, expiry } = place;
    this.#expiries.clear(expiry);
    if (this.#shut.get(hold.request.key) === place) this.#shut.delete(hold.request.key);
    this.#places.delete(hold.asker);
    if (hold.request.token !== hold.token) this.#places.delete(askerOf(hold.request));
  }
}
