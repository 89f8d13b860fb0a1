import { randomUUID } from 'node:crypto';
import type { LossReason } from '../core/errors.js';
import { type Backend, largestFence } from './backend.js';
import type { Grant, RenewalOutcome, ThreadRenewal } from './driver.js';
import type { LiveHold } from './live-holds.js';
import { type Outcome, type Renewable, renewalDue, type Sent } from './renewer.js';

/** For whom the keys are held: it is told when they are not any more. */
export interface Holder {
  lost(reason: LossReason, cause: unknown): void;
  /** They will be taken away in `grace` ms. */
  revoked(grace: number): void;
  /** What came of a renewal; undefined where nobody wants to know. */
  readonly onRenewal: ((outcome: RenewalOutcome, fault?: unknown) => void) | undefined;
}

/** What holds from the moment that all keys are held; in ms. */
export interface Terms {
  readonly maxHold: number;
  readonly atLeast: number;
  readonly renewIn: 'main' | 'thread';
  readonly maxBlock: number;
}

// Where a thread renews, the main thread does so when so much of the ttl is gone: the thread is late.
const THREAD_IS_LATE = 1 / 2;
const RENEWED_AFTER = 1 / 3;

/**
 * The grants of one key or several, under one token: renewed together, lost together, given back together. While keys are
 * still awaited it is renewed, and has no holder.
 */
export class GrantSet implements Renewable, LiveHold {
  readonly token = randomUUID();
  at = Infinity;
  index = -1;
  place = -1;
  /** What a renewal sets, in ms. */
  ttl: number;
  /** Why it was lost. */
  loss: LossReason | undefined;
  readonly #backend: Backend;
  readonly #grants: Grant[] = [];
  #state: 'held' | 'released' | 'lost' = 'held';
  /** Until when the backend surely keeps all keys for us, by what this thread knows. */
  #validUntil = Infinity;
  /** As `clock.suspended()` told before the keys were asked for, or renewed last. */
  #suspended: number;
  /** When it ends in any case. */
  #limit = Infinity;
  #restUntil = 0;
  #renews = true;
  #sent = 0;
  #answered = 0;
  /** What the latest renewal asked for, in ms. */
  #asked = Infinity;
  /** The first renewal whose answer counts though another one was sent after it: none of those asked for less. */
  #counts = 0;
  #fault: unknown;
  /** The keys that are being taken away. */
  #revoked: Set<string> | undefined;
  #holder: Holder | undefined;
  #thread: ThreadRenewal | undefined;

  constructor(backend: Backend, ttl: number) {
    this.#backend = backend;
    this.ttl = ttl;
    this.#suspended = this.#suspendedNow;
  }

  get held(): boolean {
    return this.left() > 0;
  }

  get deadline(): number {
    return Math.min(this.#until, this.#limit);
  }

  /** The largest of the grants'. */
  get fence(): number {
    return largestFence(this.#grants);
  }

  /**
   * A third of the ttl gone, or half where a thread renews, on a grid so that holds of one ttl are renewed together. Now,
   * where the machine was suspended: a thread does not tell whether it renewed the hold before or after that.
   */
  get renewAt(): number {
    const until = this.#until;
    const needless = until >= this.#limit || this.#sent > this.#answered;
    if (!this.#renews || needless) return Infinity;
    if (this.#suspendedNow > this.#suspended) return until - this.ttl;
    const gone = this.#thread?.running ? THREAD_IS_LATE : RENEWED_AFTER;
    return renewalDue(until, this.ttl, gone);
  }

  /** ms left. */
  left(): number {
    if (this.#state !== 'held') return 0;
    // While the machine was suspended, the backend's time went on.
    const suspended = this.#suspendedNow - this.#suspended;
    return Math.max(0, this.deadline - this.#backend.clock.now() - suspended);
  }

  /** Takes in one more. False: it, or an earlier one, is over already. */
  add(grant: Grant): boolean {
    this.#backend.live.add(this);
    if (this.#state !== 'held') {
      this.#giveBack([grant]).catch(() => {});
      return false;
    }
    this.#grants.push(grant);
    this.#validUntil = Math.min(this.#validUntil, grant.validUntil);
    return this.held;
  }

  /** Renews what is held while more is awaited. */
  keep(): void {
    this.#backend.renewer.watch(this);
  }

  /** All keys are held, for `holder` from now on. */
  begin(holder: Holder, autoRenew: boolean, terms: Terms): void {
    this.#holder = holder;
    this.#renews = autoRenew;
    this.#limit = this.#backend.clock.now() + terms.maxHold;
    this.restFor(terms.atLeast);
    if (autoRenew && terms.renewIn === 'thread') this.#renewInThread(terms.maxBlock);
    this.#backend.renewer.watch(this);
  }

  /** When given back, the keys rest until `ms` from now. */
  restFor(ms: number): void {
    this.#restUntil = Math.max(this.#restUntil, this.#backend.clock.now() + ms);
  }

  /** Sets the time left, and what a renewal sets from now on. False: it is over, or revoked. @throws LockBackendError */
  async refresh(ttl: number): Promise<boolean> {
    const longer = ttl > this.ttl;
    this.ttl = ttl;
    if (!longer) this.#thread?.setTtl(ttl);
    const began = this.#backend.clock.now();
    let renewed: boolean;
    try {
      renewed = await this.extend(ttl);
    } finally {
      // Not before: with less left than a longer ttl asks for, the thread would renew at once, and only the answer to the
      // latest renewal counts.
      if (longer) this.#thread?.setTtl(this.ttl);
    }
    // The thread may have renewed it for the former ttl since.
    const again = renewed && longer && this.#thread && this.ttl === ttl && this.#until < began + ttl * 0.9;
    return again ? this.extend(ttl) : renewed;
  }

  /** Whether it is not over; one whose time is up is told so now. */
  check(): boolean {
    if (!this.held) this.expire();
    return this.#state === 'held';
  }

  /** Sets the time left. False: it is over, or revoked. @throws LockBackendError */
  async extend(ttl: number): Promise<boolean> {
    if (!this.check() || this.#revoked) return false;
    const { renewer } = this.#backend;
    const sent = this.#send(ttl);
    renewer.watch(this);
    const outcome = sent.answered(await this.#backend.extend(sent.requests));
    renewer.watch(this, outcome);
    if (outcome === 'failed') throw this.#fault;
    // It may have been revoked while the answer was on its way.
    return outcome === 'renewed' && !this.#revoked;
  }

  /** Gives all back. False: one of them was no longer ours. @throws LockBackendError */
  release(): Promise<boolean> {
    if (!this.check()) return Promise.resolve(false);
    this.#state = 'released';
    return this.#giveBack(this.#grants);
  }

  /** Gives back what is held, in the background. */
  abandon(): void {
    this.release().catch(() => {});
  }

  close(): void {
    this.#lose('closed');
  }

  /** The backend takes one key away, `grace` ms from now. It may tell so again, and know better. */
  revoke(name: string, grace: number): void {
    if (!this.check()) return;
    if (grace <= 0 || !this.#holder) return this.#lose('revoked');
    this.#revoked ??= new Set();
    const known = this.#revoked.has(name);
    this.#revoked.add(name);
    this.#renews = false;
    this.#limit = Math.min(this.#limit, this.#backend.clock.now() + grace);
    this.#backend.renewer.watch(this);
    if (!known) this.#holder.revoked(grace);
  }

  fire(): void {
    this.#backend.renewer.due(this);
  }

  startRenewal(): Sent | undefined {
    if (!this.check() || this.renewAt === Infinity) return undefined;
    const sent = this.#send(this.ttl);
    const onRenewal = this.#holder?.onRenewal;
    if (!onRenewal) return sent;
    return {
      requests: sent.requests,
      answered: (answers) => {
        const outcome = sent.answered(answers);
        if (outcome === 'failed') onRenewal('failed', this.#fault);
        else if (this.#revoked) onRenewal('revoked');
        else if (outcome === 'renewed') onRenewal('renewed');
        else if (this.#state === 'lost') onRenewal('lost');
        return outcome;
      },
    };
  }

  expire(): void {
    const told = this.#thread?.loss;
    if (this.#revoked) this.#lose('revoked');
    else if (told) this.#lose(told, this.#fault);
    else if (this.#limit <= this.#validUntil) this.#lose('maxHold');
    else if (this.#fault || this.#sent > this.#answered) this.#lose('backend', this.#fault);
    else this.#lose('expired');
  }

  /** Until when the backend surely keeps all keys for us, whichever thread renews. */
  get #until(): number {
    return this.#thread ? this.#thread.validUntil : this.#validUntil;
  }

  get #suspendedNow(): number {
    return this.#backend.clock.suspended?.() ?? 0;
  }

  #renewInThread(maxBlock: number): void {
    const onLost = () => void this.check();
    const onRenewal = this.#holder?.onRenewal;
    const terms = { ttl: this.ttl, until: this.#limit, maxBlock, onLost, onRenewal };
    this.#thread = this.#backend.renewInThread(this.#grants, terms);
  }

  #send(ttl: number): Sent {
    const order = ++this.#sent;
    if (ttl < this.#asked) this.#counts = order;
    this.#asked = ttl;
    const suspended = this.#suspendedNow;
    // A shorter time may be in force although its answer is late, or lost; and clocks do not tick alike.
    const shorter = this.#backend.clock.now() + ttl - 1 - ttl / 1_000;
    this.#validUntil = Math.min(this.#validUntil, shorter);
    return {
      requests: this.#grants.map((grant) => ({ grant, ttl })),
      answered: (answers) => this.#take(order, suspended, answers),
    };
  }

  /**
   * Takes in the answers to what was sent as number `order`. They do not make the time longer where a renewal sent later
   * asked for less.
   */
  #take(order: number, suspended: number, answers: readonly (Grant | null | Error)[]): Outcome {
    this.#answered = Math.max(order, this.#answered);
    this.#fault = answers.find((answer) => answer instanceof Error);
    if (!this.check()) return 'over';
    const stolen = this.#grants.some(({ key }, index) => answers[index] === null && !this.#revoked?.has(key));
    if (stolen) {
      this.#lose('stolen');
      return 'over';
    }
    if (this.#fault) return 'failed';
    if (order === this.#answered && order >= this.#counts) {
      this.#suspended = suspended;
      // More keys may have joined since it was sent.
      for (const [index, answer] of answers.entries()) {
        if (answer && !(answer instanceof Error)) this.#grants[index] = answer;
      }
      this.#validUntil = this.#grants.reduce((until, grant) => Math.min(until, grant.validUntil), Infinity);
    }
    return 'renewed';
  }

  #lose(reason: LossReason, cause?: unknown): void {
    if (this.#state !== 'held') return;
    this.#state = 'lost';
    this.loss = reason;
    // It is taken away for others to have it, and may not be over in the backend yet.
    if (reason === 'revoked') this.#restUntil = 0;
    // The backend may not know yet, and of several keys the others are still ours.
    this.#giveBack(this.#grants).catch(() => {});
    this.#holder?.lost(reason, cause);
  }

  #giveBack(grants: readonly Grant[]): Promise<boolean> {
    const rest = Math.ceil(this.#restUntil - this.#backend.clock.now());
    return this.#backend.giveBack(this, grants, rest > 0 ? rest : undefined);
  }
}
