import { type Duration, parseDuration } from '../core/duration.js';
import { LockLostError, LockNotHeldError, type LossReason } from '../core/errors.js';
import type { Backend } from './backend.js';
import { isRenewalTraced, trace, traceLost, traceRenewal, traceRevoked, tracings } from './diagnostics.js';
import type { LockMode, RenewalOutcome } from './driver.js';
import type { Call } from './gathering.js';
import type { GrantSet, Holder } from './grant-set.js';
import type { Lease } from './lease.js';
import { parseTtl, type Settings } from './options.js';

/** The lease of a locker: its holder's view of the keys that are held. */
export class HeldLease implements Lease, Holder {
  readonly #locker: string;
  readonly #set: GrantSet;
  readonly #settings: Settings;
  #lost: LockLostError | undefined;
  /** Gives the answer to the release. */
  #released: (() => Promise<boolean>) | undefined;
  #forgetsContext = false;
  #extended: Promise<boolean> | undefined;
  #controller: AbortController | undefined;
  /** What the signal aborts with, once it does. */
  #interruption: { readonly reason: unknown } | undefined;

  /** The lease begins now. */
  constructor(
    readonly backend: Backend,
    set: GrantSet,
    readonly keys: readonly string[],
    { locker, settings, autoRenew }: Call,
  ) {
    this.#locker = locker;
    this.#set = set;
    this.#settings = settings;
    set.begin(this, autoRenew, settings);
  }

  get key(): string {
    return this.keys[0]!;
  }

  get mode(): LockMode {
    return this.#settings.mode;
  }

  get prefix(): string {
    return this.#settings.prefix;
  }

  get token(): string {
    return this.#set.token;
  }

  get fence(): number {
    return this.#set.fence;
  }

  get meta(): Readonly<Record<string, string>> {
    return this.#settings.meta;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#interruption) this.#controller.abort(this.#interruption.reason);
    return this.#controller.signal;
  }

  /** Whether its holder has been told to end: the signal has aborted, or would have, had it been asked for. */
  get interrupted(): boolean {
    return this.#interruption !== undefined;
  }

  get held(): boolean {
    return this.#set.held;
  }

  ensureHeld(): void {
    if (this.#set.check()) return;
    throw this.#lost ?? new LockNotHeldError(this.#shownKey, 'the lease was released');
  }

  ttl(): number {
    return this.#set.left();
  }

  async refresh(ttl?: Duration): Promise<boolean> {
    const ms = ttl === undefined ? this.#settings.ttl : parseTtl(ttl);
    return this.#traced(() => this.#set.refresh(ms));
  }

  async extend(by: Duration): Promise<boolean> {
    const ms = parseDuration('by', by);
    const add = () => this.#traced(() => this.#set.extend(Math.ceil(this.ttl() + ms)));
    // Each adds to what the one before it left.
    this.#extended = this.#extended ? this.#extended.then(add, add) : add();
    return this.#extended;
  }

  release(): Promise<boolean> {
    if (this.#released) return this.#released();
    const released =
      tracings.release.hasSubscribers && this.#set.check()
        ? trace('release', this.#locker, this, () => this.#set.release())
        : this.#set.release();
    this.#released = () => released;
    if (this.#forgetsContext) this.forgetContext();
    return released;
  }

  /** Of the release, keeps the answer alone: a promise keeps the async context that it was made in. */
  forgetContext(): void {
    this.#forgetsContext = true;
    this.#released?.().then(
      (answer) => {
        this.#released = giving(answer);
      },
      (error) => {
        this.#released = refusing(error);
      },
    );
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
    const released = await this.release().catch(() => true);
    if (this.#lost) throw this.#lost;
    if (!released) throw new LockLostError(this.#shownKey, 'stolen');
  }

  /** When released, the keys rest until `ms` from now. */
  restFor(ms: number): void {
    this.#set.restFor(ms);
  }

  /** Tells the holder to end, though the lease is held: aborts the signal. */
  interrupt(reason: unknown): void {
    this.#interruption ??= { reason };
    this.#controller?.abort(reason);
  }

  /** Whether the process must live on to tell of this lease's end; as many `true` as `false`. */
  keepAlive(yes: boolean): void {
    this.backend.renewer.keepAlive(yes);
  }

  get onRenewal(): Holder['onRenewal'] {
    if (!isRenewalTraced()) return undefined;
    return (outcome: RenewalOutcome, fault?: unknown) => traceRenewal(this.#locker, this, outcome, fault);
  }

  lost(reason: LossReason, cause: unknown): void {
    this.#lost = new LockLostError(this.#shownKey, reason, cause);
    traceLost(this.#locker, this, this.#lost);
    this.interrupt(this.#lost);
  }

  revoked(grace: number): void {
    const error = new LockLostError(this.#shownKey, 'revoked');
    traceRevoked(this.#locker, this, error, grace);
    this.interrupt(error);
  }

  get #shownKey(): string | readonly string[] {
    return this.keys.length === 1 ? this.key : this.keys;
  }

  #traced(extend: () => Promise<boolean>): Promise<boolean> {
    return tracings.extend.hasSubscribers && this.#set.check()
      ? trace('extend', this.#locker, this, extend)
      : extend();
  }
}

// Apart, so that they keep nothing but that in memory.
const giving = (answer: boolean) => () => Promise.resolve(answer);
const refusing = (error: unknown) => () => Promise.reject(error);
