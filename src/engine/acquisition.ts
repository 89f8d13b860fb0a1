import { onAbort } from '../core/abort.js';
import { type Clock, LOOK_MS, LOOKS, type Timer } from '../core/clock.js';
import type { Deadline, Deadlines } from '../core/deadlines.js';
import { LockBackendError, LockClosedError } from '../core/errors.js';
import type { Random } from '../core/random.js';
import type { AcquireRequest, Grant } from '../lease/driver.js';
import { type GrantedClaim, type GrantedHold, type Hold, surelyUntil } from './hold.js';
import type { Answers, Link } from './link.js';
import type { Claim, Granted, LockStore, Place, Refused, StoreError } from './store.js';

// How long a newcomer waits for a store that has never answered it, and answers nobody else.
const PATIENCE = 2_000;
// How long the answer to a single try may take.
const TRY_PATIENCE = 1_000;
// How long after its hard limit a wait may end while the store keeps answering others.
const BACKLOG_MS = 500;
// A message may be lost, and a dead holder sends none: a process looks at its places at the latest after this.
const LONGEST_LOOK = 5_000;
const SHORTEST_LOOK = 200;
// An answer at the limit may come so late. Where answers take longer than half of it, the store is asked before the limit.
const ANSWER_MS = LOOKS * LOOK_MS;
// More holders than any key has. A backend could not keep every larger number.
const LARGEST_LIMIT = 1e9;

/** What an acquisition needs of the engine. */
export interface AcquisitionHost {
  readonly clock: Clock;
  readonly random: Random;
  readonly store: LockStore;
  readonly link: Link;
  readonly limits: Deadlines;
  /** The store granted it: begins the hold. `unannounced`: no message said so, though it may have had a place. */
  obtained(acquisition: Acquisition, granted: GrantedHold, unannounced: boolean): Hold;
  /** The store gave it a place, or says that it still has one. */
  placed(acquisition: Acquisition, refused: Refused): void;
  /** A try was refused that is made again, and an earlier claim of it may come late. */
  refusedLate(acquisition: Acquisition): void;
  /** It has its outcome; `waited`: it had a place until now. */
  ended(acquisition: Acquisition, waited: boolean): void;
  /** Looks at the queue of the key in `ms`, or sooner. */
  lookIn(key: string, ms: number): void;
  /** Gives up its place and what it may have been granted; calls `done` when the store has answered. */
  leave(acquisition: Acquisition, done?: () => void): void;
}

/**
 * - `asking`: no claim has been answered.
 * - `waiting`: it has a place in the store's queue.
 * - `leaving`: its wait is over, and the store is giving up its place.
 * - `ended`: it has its outcome.
 */
type Phase = 'asking' | 'waiting' | 'leaving' | 'ended';

/** One request on its way to a hold: it claims, waits in the store's queue, and ends by its hard limit. */
export class Acquisition implements GrantedClaim, Deadline {
  at = Infinity;
  index = -1;
  /** The grant; null where somebody else had the lock. */
  readonly outcome: Promise<Grant | null>;
  /** A claim of it may reach the store later, out of order. */
  late: boolean;
  readonly #host: AcquisitionHost;
  readonly #claim: Claim;
  readonly #place: Place | undefined;
  readonly #askedAt: number;
  #resolve!: (grant: Grant | null) => void;
  #reject!: (reason: unknown) => void;
  #phase: Phase = 'asking';
  #unanswered = false;
  #askAgain = false;
  #announced = false;
  #sentAt = 0;
  /** How long the slowest answer to a claim took. */
  #took = 0;
  #lookedLast = false;
  /** A grant of it had expired when it arrived. */
  #expired = false;
  /** The fence of the hold that it got. */
  #obtained: number | undefined;
  #fault: StoreError | undefined;
  /** Claims again after a fault that passes, or after a hold of which too little was left. */
  #retry: Timer | undefined;
  /** Looks again at its hard limit. */
  #look: Timer | undefined;
  #stopListening: (() => void) | undefined;

  constructor(
    readonly id: string,
    readonly request: AcquireRequest,
    host: AcquisitionHost,
    late = false,
  ) {
    const { key, token, mode, limit = Infinity, ttl, meta, wait, signal } = request;
    this.#host = host;
    this.late = late;
    this.#claim = { key, token, mode, limit: limit > LARGEST_LIMIT ? Infinity : limit, ttl, meta };
    this.#place = wait > 0 ? { vouchFor: 3 * this.longestLook + 1_000 } : undefined;
    this.#askedAt = host.clock.now();
    this.outcome = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#stopListening = signal && onAbort(signal, () => this.#giveUp(() => this.#reject(signal.reason)));
    host.limits.set(this, this.#hardLimit());
  }

  /** Whether a hold may be handed on to it. */
  get mayBeServed(): boolean {
    return !this.#over && !this.request.signal?.aborted;
  }

  /** As {@link late}, or the connection may yet be lost before the answer to a claim. */
  get mayComeLate(): boolean {
    return this.late || this.#unanswered;
  }

  /** How long its process may leave the queue unlooked at, in ms. */
  get longestLook(): number {
    return Math.min(LONGEST_LOOK, Math.max(this.request.ttl, SHORTEST_LOOK));
  }

  /** Claims the lock, for the first time or anew: a new connection, or time to look. */
  ask(): void {
    if (this.#over || !this.#host.link.ready) return;
    if (this.#unanswered) {
      this.#askAgain = true;
      return;
    }
    this.#unanswered = true;
    this.#askAgain = false;
    const sentAt = this.#host.clock.now();
    this.#sentAt = sentAt;
    this.#host.store.claim(this.#claim, this.#place).then(
      (answer) => {
        this.#unanswered = false;
        this.#fault = undefined;
        this.#took = Math.max(this.#took, this.#host.clock.now() - sentAt);
        this.#host.link.answered(this.request.key);
        if (answer.granted) this.#granted(answer);
        else this.#refused(answer);
      },
      (error: StoreError) => {
        this.#unanswered = false;
        this.#fault = error;
        if (error.outcome !== 'not-sent' && error.outcome !== 'unknown')
          this.#host.link.answered(this.request.key);
        this.#failed(error);
      },
    );
  }

  /** A message says that the store handed it the lock. */
  handedOver({ fence, run, asOf }: Pick<Granted, 'fence' | 'run' | 'asOf'>): void {
    if (!this.mayBeServed) return;
    const { ttl } = this.request;
    const validUntil = surelyUntil(asOf, ttl);
    // What the message surely leaves may be little, or nothing: then the store is asked how much there is.
    this.#announced = true;
    if (validUntil - this.#host.clock.now() > ttl / 2) this.#obtain({ fence, run, validUntil });
    else this.ask();
  }

  /** A hold of this process serves it. */
  serve(hold: Hold): void {
    this.#end(() => this.#resolve(hold.grant));
  }

  /** Its hard limit has come. */
  fire(): void {
    if (this.#lookAhead > 0) {
      this.#lookedLast = true;
      this.#host.lookIn(this.request.key, 0);
    }
    if (this.#inTime()) return;
    // After a stall, timers fire before sockets are read: a message or an answer may be here, unread.
    this.#lookAgain(0, () => (this.#phase === 'waiting' ? this.#leaveInTime() : this.#awaitClaim()));
  }

  close(): void {
    this.#giveUp(() => this.#reject(new LockClosedError(this.request.key)));
  }

  #granted(answer: Granted): void {
    // A look that was on its way when a message said the same. The hold may have been handed on since.
    const since = answer.fence - (this.#obtained ?? Infinity);
    if (since >= 0 && since <= this.#host.store.limits.fencesPerClaim) return;
    if (this.#over) return this.#host.leave(this);
    const { ttl } = this.request;
    // More is left where the server's clock has stepped back since; it may step forward again.
    const validUntil = surelyUntil(answer.asOf, Math.min(answer.ttl, ttl));
    if (this.#host.clock.now() < validUntil)
      return this.#obtain({ fence: answer.fence, run: answer.run, validUntil });
    // The end of one that was granted long before, while this process stood still, or that is being taken away. The answer
    // took longer than what was left: the hold is over when the next claim arrives, or soon after.
    if (this.#host.clock.now() < surelyUntil(answer.asOf, ttl)) return this.#askIn(1);
    // Once, it may be this process that was slow; then the round trip is longer than the lease.
    if (!this.#expired) {
      this.#expired = true;
      return this.ask();
    }
    const took = Math.round(this.#host.clock.now() - answer.asOf);
    const why = `a lease of ${ttl} ms was over when its grant arrived, after ${took} ms: use a longer ttl`;
    this.#giveUp(() => this.#reject(new LockBackendError(why, { key: this.request.key })));
  }

  #refused(answer: Refused): void {
    if (this.#over) return;
    if (!this.#place) return this.#tried();
    this.#phase = 'waiting';
    this.#host.placed(this, answer);
    // Answered after its wait: the store serves, and somebody else has the lock.
    if (!this.#inTime()) return this.#giveUp(() => this.#resolve(null));
    if (this.#askAgain) this.ask();
  }

  /** A single try is refused. */
  #tried(): void {
    if (!this.late || !this.request.isRepeated) return this.#giveUp(() => this.#resolve(null));
    // Not given up before the last try: the store would refuse its token for a minute.
    this.#host.refusedLate(this);
    this.#refuse();
  }

  #failed(error: StoreError): void {
    if (error.outcome === 'unknown') this.late = true;
    if (this.#over) return;
    if (error.outcome === 'refused') return this.#giveUp(() => this.#reject(error));
    // When the connection is back, the engine asks again.
    if (!this.#host.link.ready) return;
    if (this.#host.clock.now() >= this.#hardLimit()) return this.#giveUp(() => this.#reject(error));
    this.#askIn(20 + this.#host.random() * 20);
  }

  #askIn(ms: number): void {
    this.#retry?.cancel();
    this.#retry = this.#host.clock.after(ms, () => this.ask());
  }

  /** `clock.now()` at which it must have its outcome. */
  #hardLimit(): number {
    const { wait, patience = TRY_PATIENCE } = this.request;
    if (!this.#place) return this.#askedAt + patience;
    const end = this.#askedAt + wait;
    if (this.#phase !== 'asking') return end;
    const { link } = this.#host;
    // A claim that has failed does not just stand behind others.
    const answeredAt = this.#fault ? -Infinity : this.#answers.at;
    const since = link.ready ? Math.max(this.#sentAt, answeredAt) : link.lostAt;
    return Math.min(end, Math.max(this.#askedAt, since) + PATIENCE);
  }

  /** Whether its hard limit is still to come; then it is told when it does. */
  #inTime(): boolean {
    const limit = this.#hardLimit();
    if (this.#host.clock.now() >= limit) return false;
    this.#host.limits.set(this, limit - this.#lookAhead);
    return true;
  }

  /** What the server that keeps its key has answered. */
  get #answers(): Readonly<Answers> {
    return this.#host.link.answersFor(this.request.key);
  }

  get #isSlow(): boolean {
    return this.#took > ANSWER_MS / 2;
  }

  /**
   * How long before the hard limit a slow store is asked once more: an answer after that shows that it serves. It may take
   * twice as long as the slowest before it.
   */
  get #lookAhead(): number {
    return this.#phase === 'waiting' && this.#isSlow && !this.#lookedLast ? 2 * this.#took : 0;
  }

  /** Whether a slow store has answered as lately as can be expected. */
  get #servesSlowly(): boolean {
    const { link, clock } = this.#host;
    return link.ready && this.#isSlow && clock.now() - this.#answers.at <= ANSWER_MS + 2 * this.#took;
  }

  /** It has a place: that may be news, and then its hard limit is another. */
  #leaveInTime(): void {
    if (!this.#inTime()) this.#leave();
  }

  #lookAgain(ms: number, then: () => void): void {
    this.#look?.cancel();
    this.#look = this.#host.clock.after(ms, then);
  }

  /** The wait is over. That the store gives up the place proves that it serves, and that somebody else had the lock. */
  #leave(): void {
    this.#phase = 'leaving';
    this.#sentAt = this.#host.clock.now();
    this.#host.leave(this, () => this.#refuse());
    // What had come before is read by the first look: an answer after that shows that the store serves.
    this.#lookAgain(LOOK_MS, () => this.#awaitServing(LOOKS - 1, this.#host.link.count));
  }

  /** It is contention once the server has answered anybody since there were `answers`, and an outage where it has not. */
  #awaitServing(looks: number, answers: number): void {
    this.#lookAgain(LOOK_MS, () => {
      if (this.#answers.last > answers) return this.#refuse();
      if (looks > 1) return this.#awaitServing(looks - 1, answers);
      if (this.#servesSlowly) return this.#refuse();
      const fault = this.#trouble();
      this.#end(() => this.#reject(fault));
    });
  }

  /** Its claim may be answered yet. It is an outage where that does not come, unless the store is busy with others. */
  #awaitClaim(looks = LOOKS, answers = this.#host.link.count, since = this.#host.clock.now()): void {
    if (!this.#unanswered) return this.#giveUp(() => this.#reject(this.#trouble()));
    this.#lookAgain(LOOK_MS, () => {
      if (this.#phase === 'waiting') return this.#leaveInTime();
      // Others are answered: its turn comes.
      if (this.#phase === 'asking' && this.#inTime()) return;
      const busy = this.#answers.last > answers && this.#host.clock.now() - since < BACKLOG_MS;
      if (busy) return this.#awaitClaim(LOOKS, this.#host.link.count, since);
      if (looks > 1) return this.#awaitClaim(looks - 1, answers, since);
      const fault = this.#trouble();
      this.#giveUp(() => this.#reject(fault));
    });
  }

  #trouble(): LockBackendError {
    const { link, clock } = this.#host;
    if (!link.ready) return link.fault;
    if (this.#fault && !this.#unanswered) return this.#fault;
    const silentFor = Math.round(clock.now() - this.#sentAt);
    return new LockBackendError(`no answer within ${silentFor} ms`, { key: this.request.key });
  }

  #obtain(granted: GrantedHold): void {
    this.#obtained = granted.fence;
    this.serve(this.#host.obtained(this, granted, !this.#announced));
  }

  /** Somebody else has the lock, and nothing is left in the store. */
  #refuse(): void {
    this.#end(() => this.#resolve(null));
  }

  /** Ends without a hold; what the store may have for it is given back. */
  #giveUp(settle: () => void): void {
    const leaves = this.#unanswered || this.late || this.#phase === 'waiting';
    this.#end(settle);
    if (leaves) this.#host.leave(this);
  }

  #end(settle: () => void): void {
    if (this.#phase === 'ended') return;
    const waited = this.#phase === 'waiting';
    this.#phase = 'ended';
    this.#host.limits.clear(this);
    this.#retry?.cancel();
    this.#look?.cancel();
    this.#stopListening?.();
    settle();
    this.#host.ended(this, waited);
  }

  /** Its wait is over. */
  get #over(): boolean {
    return this.#phase === 'leaving' || this.#phase === 'ended';
  }
}
