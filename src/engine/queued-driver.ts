import { BriefMap } from '../core/brief-map.js';
import type { Clock } from '../core/clock.js';
import { Deadlines } from '../core/deadlines.js';
import { LockBackendError, LockClosedError } from '../core/errors.js';
import type { Random } from '../core/random.js';
import type {
  AcquireRequest,
  Extension,
  Grant,
  ListProgress,
  LockDriver,
  LockInfo,
  ThreadRenewal,
  ThreadTerms,
} from '../lease/driver.js';
import { Acquisition, type AcquisitionHost } from './acquisition.js';
import type { GrantedHold, Hold } from './hold.js';
import { claimKey, Holds } from './holds.js';
import { Link } from './link.js';
import { LocalQueues } from './local-queue.js';
import { PendingReleases } from './pending-releases.js';
import { Renewals } from './renewals.js';
import type { ClaimId, Granted, LockStore, Refused, StoreEvents } from './store.js';
import { RenewalThread } from './thread/renewal-thread.js';
import type { ThreadStart } from './thread/thread-start.js';

// How long a call waits for a connection.
const CONNECT_MS = 2_000;
// How long what the store may still have is given up again and again, where it is away.
const LEAVE_MS = 60_000;
// How long the last releases may take at the end.
const CLOSE_MS = 2_000;

/** A driver made of a store: it waits in the store's queue, hands holds on, renews, and gives back what nobody wants. */
export function queuedDriver(store: LockStore, parts: DriverParts): LockDriver {
  return new QueuedDriver(store, parts);
}

export interface DriverParts {
  readonly clock: Clock;
  readonly random: Random;
  /** How a thread is started that renews holds; without, the driver leaves that to its caller. */
  readonly thread?: ThreadStart;
}

class QueuedDriver implements LockDriver, AcquisitionHost, StoreEvents {
  readonly link: Link;
  readonly limits: Deadlines;
  readonly extendMany?: (extensions: readonly Extension[]) => Promise<(Grant | null | Error)[]>;
  readonly #acquisitions = new BriefMap<string, Acquisition>();
  /** The refused tries that are made again, an earlier claim of which may come late. */
  readonly #lateTries = new Set<string>();
  readonly #holds: Holds;
  readonly #queues: LocalQueues;
  readonly #releases: PendingReleases;
  readonly #renewals: Renewals;
  readonly #thread: RenewalThread | undefined;
  #closed: Promise<void> | undefined;

  readonly clock: Clock;
  readonly random: Random;

  constructor(
    readonly store: LockStore,
    { clock, random, thread }: DriverParts,
  ) {
    this.clock = clock;
    this.random = random;
    this.link = new Link(clock, new LockBackendError('not connected'), store.serverOf?.bind(store));
    this.limits = new Deadlines(clock);
    this.#holds = new Holds(clock, store.limits.fencesPerClaim);
    this.#queues = new LocalQueues(clock, random);
    this.#releases = new PendingReleases(clock, store, this.link);
    this.#renewals = new Renewals(clock, store, this.link, this.#holds);
    // One answer to all must not wait for one server of several.
    if (store.limits.renewBatch > 1) this.extendMany = (extensions) => this.#renewals.renew(extensions);
    this.#thread = thread && new RenewalThread(clock, thread, this);
    store.open(this);
  }

  acquire(request: AcquireRequest): Promise<Grant | null> {
    if (this.#closed) return Promise.reject(new LockClosedError(request.key));
    if (request.signal?.aborted) return Promise.reject(request.signal.reason);
    const id = claimKey(request.key, request.token);
    const asked = this.#acquisitions.get(id);
    if (asked) return asked.outcome;
    const hold = this.#holds.serving(request);
    if (hold) return Promise.resolve(hold.grant);
    const acquisition = new Acquisition(id, request, this, this.#lateTries.delete(id));
    this.#acquisitions.set(id, acquisition);
    acquisition.ask();
    return acquisition.outcome;
  }

  endTries(request: AcquireRequest): void {
    if (this.#lateTries.delete(claimKey(request.key, request.token))) this.#giveUp(request, true);
  }

  async extend(grant: Grant, ttl: number): Promise<Grant | null> {
    const [answer] = await this.#renewals.renew([{ grant, ttl }]);
    if (answer instanceof Error) throw answer;
    return answer!;
  }

  startThread(): Promise<void> | undefined {
    return this.#thread?.start();
  }

  renewInThread(grant: Grant, terms: ThreadTerms): ThreadRenewal | undefined {
    const hold = this.#holds.serving(grant);
    return hold && this.#thread?.renew(hold, terms);
  }

  release(grant: Grant, keepFor = 0): Promise<boolean> {
    const { key, token, mode, fence } = grant;
    const claim = claimKey(key, token);
    const hold = this.#holds.find(claim) ?? this.#holds.findOver(claim);
    const now = this.clock.now();
    if (!hold) return this.#releases.free(grant, { mode, usedFence: fence, keepFor }, now + LEAVE_MS, false);
    if (hold.request.token !== token) return Promise.resolve(false);
    hold.unshare();
    if (keepFor === 0 && this.#handOn(hold, fence, now)) return Promise.resolve(true);
    const { served, late } = hold;
    const used = Math.max(fence, hold.fence);
    // The store knows of the first one.
    const usedFence = used > hold.firstFence ? used : 0;
    const how = { mode, served, usedFence, keepFor, late };
    // The hold ends by its ttl; the places of those it served do not.
    const kept = served.length > 0 ? Math.max(hold.longestTtl, LEAVE_MS) : hold.longestTtl;
    const freed = this.#releases.free(hold, how, now + kept, now < hold.validUntil);
    // Not before the command has left: somebody else waits for the key.
    this.#holds.end(hold);
    return freed;
  }

  async inspect(key: string): Promise<LockInfo | null> {
    const info = await this.#ask(() => this.store.read(key));
    return info && this.#withHandedOn(info);
  }

  async *list(prefix: string, onProgress?: (progress: ListProgress) => void): AsyncIterable<LockInfo> {
    await this.link.whenReady(CONNECT_MS);
    try {
      for await (const info of this.store.list(prefix, onProgress)) yield this.#withHandedOn(info);
    } catch (error) {
      throw this.#unlessClosed(error);
    }
  }

  revoke(key: string, fence: number, grace = 0): Promise<boolean> {
    return this.#ask(() => this.#revoke(key, fence, grace));
  }

  ping(): Promise<void> {
    return this.#ask(() => this.store.ping());
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  ready(): void {
    this.link.up();
    this.#releases.flush();
    // In the order of asking: whoever lost its place gets a new one in it.
    for (const acquisition of this.#acquisitions.values()) acquisition.ask();
  }

  lost(fault: LockBackendError): void {
    this.link.down(fault);
  }

  granted(id: ClaimId, grant: Pick<Granted, 'fence' | 'run' | 'asOf'>): void {
    const claim = claimKey(id.key, id.token);
    const acquisition = this.#acquisitions.get(claim);
    if (acquisition) acquisition.handedOver(grant);
    // Who asked is gone, or is served by a hold that the store has ended: the lock must not stand idle.
    else if (this.#holds.find(claim)?.token !== id.token)
      this.#releases.leave(id, this.clock.now() + CONNECT_MS, false);
  }

  revoked(id: ClaimId, grace: number): void {
    const claim = claimKey(id.key, id.token);
    const hold = this.#holds.find(claim);
    if (hold?.token === id.token) this.#renewals.revoked(hold, grace);
    else this.#acquisitions.get(claim)?.outcome.then(() => this.#askAbout(id), ignore);
  }

  lookIn(key: string, ms: number): void {
    this.#queues.told(key, ms);
  }

  obtained(acquisition: Acquisition, granted: GrantedHold, unannounced: boolean): Hold {
    // It learned by itself that it has the lock: the others here may have missed a message, or lost their places.
    if (unannounced && this.#acquisitions.size > 1) this.#queues.lookIn(acquisition.request.key, 0);
    return this.#holds.begin(acquisition, granted);
  }

  placed(acquisition: Acquisition, refused: Refused): void {
    this.#queues.placed(acquisition, refused);
  }

  ended(acquisition: Acquisition, waited: boolean): void {
    this.#acquisitions.delete(acquisition.id);
    if (waited) this.#queues.leave(acquisition);
  }

  refusedLate(acquisition: Acquisition): void {
    this.#lateTries.add(acquisition.id);
  }

  leave(acquisition: Acquisition, done?: () => void): void {
    // What is kept until there is a connection may be sent over another one than a claim that has no answer.
    const late = this.link.ready ? acquisition.late : acquisition.mayComeLate;
    this.#queues.leave(acquisition);
    this.#giveUp(acquisition.request, late, done);
  }

  async #ask<T>(question: () => Promise<T>): Promise<T> {
    await this.link.whenReady(CONNECT_MS);
    try {
      return await question();
    } catch (error) {
      throw this.#unlessClosed(error);
    }
  }

  /** Why a question failed: what was on its way at the close fails with its connection. */
  #unlessClosed(error: unknown): unknown {
    return this.#closed ? new LockClosedError() : error;
  }

  async #revoke(key: string, fence: number, grace: number): Promise<boolean> {
    const hold = this.#holds.handedOn(key);
    // The store may still know it by the fence of one whom it served before.
    if (hold && fence >= hold.firstFence && fence < hold.fence) return false;
    if (await this.store.revoke(key, fence, grace)) return true;
    if (hold?.fence !== fence) return false;
    // The store may not know yet whom the hold serves.
    await this.#renewals.renewAsItIs(hold);
    return this.store.revoke(key, fence, grace);
  }

  #giveUp(request: AcquireRequest, late: boolean, done?: () => void): void {
    this.#releases.leave(request, this.clock.now() + Math.max(request.ttl, LEAVE_MS), late, done);
  }

  /** Hands the hold on to the next of its run that still waits. */
  #handOn(hold: Hold, usedFence: number, now: number): boolean {
    if (!hold.mayBeHandedOn(usedFence, now)) return false;
    for (let token = hold.next; token !== undefined; token = hold.next) {
      const next = this.#acquisitions.get(claimKey(hold.key, token));
      if (next?.mayBeServed) {
        if (!hold.suits(next.request.ttl, now)) return false;
        const former = hold.request.token;
        hold.handOn(next.request, usedFence, next.mayComeLate);
        this.#holds.moved(hold, former);
        if (hold.served.length === 1) this.#renewals.tellServed(hold);
        next.serve(hold);
        return true;
      }
      hold.skip();
    }
    return false;
  }

  /** The hold was revoked before its grant was read, or it is a later one: only the store can tell. */
  #askAbout(id: ClaimId): void {
    const hold = this.#holds.serving(id);
    if (hold) void this.#renewals.renewAsItIs(hold);
  }

  /** What the store does not know yet: whom a hold of this process serves now. */
  #withHandedOn(info: LockInfo): LockInfo {
    const hold = this.#holds.handedOn(info.key);
    const [holder] = info.holders;
    // The store may have ended the hold, and have another holder.
    const ours = hold && holder && holder.fence >= hold.firstFence && holder.fence <= hold.fence;
    if (!ours) return info;
    const { length } = hold.served;
    return {
      ...info,
      holders: [{ ...holder, fence: hold.fence, meta: { ...hold.request.meta } }],
      waiters: info.waiters - length,
      waiting: info.waiting.slice(length),
    };
  }

  async #close(): Promise<void> {
    for (const acquisition of [...this.#acquisitions.values()]) acquisition.close();
    this.#queues.close();
    this.#holds.close();
    this.#releases.flush();
    await this.#withinClosing(this.#releases.close());
    this.limits.stop();
    await this.#thread?.close();
    this.link.close();
    await this.store.close();
  }

  #withinClosing(promise: Promise<unknown>): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.clock.after(CLOSE_MS, resolve);
      promise.then(() => {
        timer.cancel();
        resolve();
      });
    });
  }
}

const ignore = () => {};
