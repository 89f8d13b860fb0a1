import type { Clock } from '../core/clock.js';
import { Deadline } from '../core/deadlines.js';
import { type Duration, parseDuration } from '../core/duration.js';
import { LockLostError, LockNotHeldError, type LossReason } from '../core/errors.js';
import { trace, traceLost } from './diagnostics.js';
import type { Grant, LockDriver, LockMode } from './driver.js';
import type { Lease } from './lease.js';
import { parseTtl, type Settings } from './options.js';
import type { Renewer } from './renewer.js';

/** What a lease needs of the registry. */
export interface LeaseHost {
  readonly clock: Clock;
  /** Every lease that has not ended. */
  readonly leases: Set<HeldLease>;
}

type State = 'held' | 'released' | 'lost';

/** A lease, and the ordered states it goes through: held, then released or lost, and nothing after that. */
export class HeldLease implements Lease {
  readonly alarm = new Deadline(() => this.#renewer.due(this));
  /** On while more keys are awaited; the locker then sets what was asked for. */
  autoRenew = true;
  readonly #locker: string;
  readonly #host: LeaseHost;
  readonly #renewer: Renewer;
  readonly #settings: Settings;
  readonly #keys: string[];
  readonly #holdUntil: number;
  #grants: readonly Grant[];
  #state: State = 'held';
  #ttl: number;
  #deadline: number;
  #lost: LockLostError | undefined;
  #lastFault: unknown;
  #controller: AbortController | undefined;
  #released: Promise<boolean> | undefined;
  #gaveBack: Promise<boolean> | undefined;
  #extended: Promise<boolean> = Promise.resolve(true);
  #asked = 0;
  #answered = 0;

  constructor(
    locker: string,
    host: LeaseHost,
    renewer: Renewer,
    settings: Settings,
    key: string,
    grant: Grant,
  ) {
    this.#keys = [key];
    this.#grants = [grant];
    this.#locker = locker;
    this.#host = host;
    this.#renewer = renewer;
    this.#settings = settings;
    this.#ttl = settings.ttl;
    this.#holdUntil = host.clock.now() + settings.maxHold;
    this.#deadline = this.#validUntil();
    renewer.watch(this);
  }

  get key(): string {
    return this.#keys[0]!;
  }

  get keys(): readonly string[] {
    return this.#keys;
  }

  get mode(): LockMode {
    return this.#settings.mode;
  }

  get token(): string {
    return this.#grants[0]!.token;
  }

  get fence(): number {
    return this.#grants.reduce((largest, grant) => Math.max(largest, grant.fence), 0);
  }

  get meta(): Readonly<Record<string, string>> {
    return this.#settings.meta;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#lost) this.#controller.abort(this.#lost);
    return this.#controller.signal;
  }

  get held(): boolean {
    return this.#state === 'held' && this.#host.clock.now() < this.#deadline;
  }

  /** `clock.now()` at which the lease is lost unless renewed. */
  get deadline(): number {
    return this.#deadline;
  }

  /** When to renew: a third of the ttl gone, on a grid so that leases of one ttl are renewed together. */
  get renewAt(): number {
    const lastsLongEnough = this.#deadline >= this.#holdUntil;
    if (!this.autoRenew || lastsLongEnough || this.#asked > this.#answered) return Infinity;
    const grid = this.#ttl / 32;
    return Math.floor((this.#deadline - (this.#ttl * 2) / 3) / grid) * grid;
  }

  ensureHeld(): void {
    if (this.#state === 'held' && !this.held) this.expire();
    if (this.#lost) throw this.#lost;
    if (this.#state === 'released') throw new LockNotHeldError(this.#shownKey);
  }

  ttl(): number {
    return this.#state === 'held' ? Math.max(0, this.#deadline - this.#host.clock.now()) : 0;
  }

  async refresh(ttl?: Duration): Promise<boolean> {
    const ms = ttl === undefined ? this.#settings.ttl : parseTtl(ttl);
    this.#ttl = ms;
    return this.#extend(ms);
  }

  async extend(by: Duration): Promise<boolean> {
    const ms = parseDuration('by', by);
    // Each adds to what the one before it left.
    const before = this.#extended.catch(() => false);
    this.#extended = before.then(() => this.#extend(Math.ceil(this.ttl() + ms)));
    return this.#extended;
  }

  release(): Promise<boolean> {
    this.#released ??= trace('release', this.#locker, this, () => this.#release());
    return this.#released;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A rejection here would hide what the block threw; the keys are free when their time is up.
    await this.release().catch(() => {});
  }

  /**
   * Releases, after the work is done. A backend that fails now did not keep the work from being exclusive.
   * @throws LockLostError when the lease was lost under the work.
   */
  async finish(): Promise<void> {
    if (this.#state === 'held' && !this.held) this.expire();
    const released = await this.release().catch(() => true);
    if (this.#lost) throw this.#lost;
    if (!released) throw new LockLostError(this.#shownKey, 'stolen');
  }

  /** Whether the process must live on to tell of this lease's end; as many `true` as `false`. */
  keepAlive(yes: boolean): void {
    this.#renewer.keepAlive(yes);
  }

  /** What is to be asked of the driver to renew this lease now. */
  startRenewal(): {
    grants: readonly Grant[];
    ttl: number;
    answer: (grants: (Grant | null | Error)[]) => void;
  } {
    const order = ++this.#asked;
    return { grants: this.#grants, ttl: this.#ttl, answer: (grants) => void this.#answer(order, grants) };
  }

  /** The time is up. */
  expire(): void {
    if (this.#host.clock.now() >= this.#holdUntil) this.lose('maxHold');
    else if (this.#lastFault || this.#asked > this.#answered) this.lose('backend', this.#lastFault);
    else this.lose('expired');
  }

  lose(reason: LossReason, cause?: unknown): void {
    if (this.#state !== 'held') return;
    this.#state = 'lost';
    this.#lost = new LockLostError(this.#shownKey, reason, cause);
    this.#end();
    this.#released = Promise.resolve(false);
    // The backend may not know yet, and of several keys the others are still ours.
    this.#gaveBack = this.#giveBack();
    this.#gaveBack.catch(() => {});
    traceLost(this.#locker, this, this.#lost);
    this.#controller?.abort(this.#lost);
  }

  /** Ends the lease because the locks close; resolves when the keys are given back, or could not be. */
  async close(): Promise<void> {
    this.lose('closed');
    await this.#gaveBack?.catch(() => {});
  }

  /** Takes in one more key, while several are being acquired. */
  include(key: string, grant: Grant): void {
    this.#keys.push(key);
    this.#grants = [...this.#grants, grant];
    this.#deadline = this.#validUntil();
    this.#renewer.watch(this);
  }

  get #shownKey(): string | readonly string[] {
    return this.keys.length === 1 ? this.key : this.keys;
  }

  #validUntil(): number {
    return this.#grants.reduce((until, grant) => Math.min(until, grant.validUntil), this.#holdUntil);
  }

  async #extend(ttl: number): Promise<boolean> {
    if (this.#state === 'held' && !this.held) this.expire();
    if (this.#state !== 'held') return false;
    const order = ++this.#asked;
    // A shorter time may be in force before the answer is here.
    this.#deadline = Math.min(this.#deadline, this.#host.clock.now() + ttl);
    this.#renewer.watch(this);
    return trace('extend', this.#locker, this, async () => {
      const answers = await Promise.all(
        this.#grants.map((grant) => this.#renewer.driver.extend(grant, ttl).catch((error: Error) => error)),
      );
      const fault = this.#answer(order, answers);
      if (fault) throw fault;
      return this.held;
    });
  }

  /** Takes in the answers to the extension asked as number `order`; gives back the fault among them. */
  #answer(order: number, answers: (Grant | null | Error)[]): Error | undefined {
    const fault = answers.find((answer) => answer instanceof Error);
    const stale = order < this.#answered;
    this.#answered = Math.max(order, this.#answered);
    if (this.#state !== 'held') return;
    this.#lastFault = fault;
    if (!this.held) this.expire();
    else if (answers.includes(null)) this.lose('stolen');
    else {
      if (!fault && !stale) {
        // More keys may have joined since it was asked.
        this.#grants = this.#grants.map((grant, index) => (answers[index] as Grant | undefined) ?? grant);
        this.#deadline = this.#validUntil();
      }
      this.#renewer.watch(this, fault !== undefined);
    }
    return fault;
  }

  #release(): Promise<boolean> {
    if (this.#state === 'held' && !this.held) this.expire();
    if (this.#state !== 'held') return Promise.resolve(false);
    this.#state = 'released';
    this.#end();
    return this.#giveBack();
  }

  /** Releases every key, the last one first, also when one fails. */
  #giveBack(): Promise<boolean> {
    const { driver } = this.#renewer;
    return this.#grants.length === 1 ? driver.release(this.#grants[0]!) : this.#giveBackAll(driver);
  }

  async #giveBackAll(driver: LockDriver): Promise<boolean> {
    const results = await Promise.allSettled(
      [...this.#grants].reverse().map((grant) => driver.release({ ...grant, fence: this.fence })),
    );
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
    return results.every((result) => result.status === 'fulfilled' && result.value);
  }

  #end(): void {
    this.#renewer.unwatch(this);
    this.#host.leases.delete(this);
  }
}
