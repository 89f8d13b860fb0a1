import type { Clock } from '../core/clock.js';
import type { Extension, Grant } from '../lease/driver.js';
import { type Hold, surelyUntil, ttlFor } from './hold.js';
import type { Holds } from './holds.js';
import type { Link } from './link.js';
import type { LockStore, Renewal, RenewalAnswer, StoreError } from './store.js';

// How long an extension waits for a lost connection to come back.
const RECONNECT_MS = 500;
// How soon the store is told again whom a hold serves, where that has failed.
const TELL_AGAIN_MS = 1_000;

/** One extension of a hold, on its way. */
interface Sent {
  readonly hold: Hold;
  readonly grant: Grant;
  readonly renewal: Renewal;
}

/**
 * Renews holds in batches. The answer to a renewal does not make a hold's time longer where one sent later asked for less:
 * that one may be in force although its answer is lost.
 */
export class Renewals {
  readonly #clock: Clock;
  readonly #store: LockStore;
  readonly #link: Link;
  readonly #holds: Holds;

  constructor(clock: Clock, store: LockStore, link: Link, holds: Holds) {
    this.#clock = clock;
    this.#store = store;
    this.#link = link;
    this.#holds = holds;
  }

  /** The answers stand in the order of the extensions; null: the hold is lost. */
  async renew(extensions: readonly Extension[]): Promise<(Grant | null | Error)[]> {
    // Not only when all is well: of several connections one may be lost, and another take renewals.
    const answers = await this.#renewNow(extensions);
    const unsent = [...answers.keys()].filter((i) => wasNotSent(answers[i]!));
    if (unsent.length === 0) return answers;
    const fault = await this.#link.whenReady(RECONNECT_MS).then(
      () => undefined,
      (error: Error) => error,
    );
    const again = fault ? [] : await this.#renewNow(unsent.map((i) => extensions[i]!));
    for (const [k, i] of unsent.entries()) answers[i] = fault ?? again[k]!;
    return answers;
  }

  async #renewNow(extensions: readonly Extension[]): Promise<(Grant | null | Error)[]> {
    const asOf = this.#clock.now();
    const answers: (Grant | null | Error)[] = extensions.map(() => null);
    const sent: (Sent & { index: number })[] = [];
    extensions.forEach(({ grant, ttl }, index) => {
      const hold = this.#holds.serving(grant);
      const renewal = hold && this.#start(hold, ttl, asOf);
      if (renewal) sent.push({ index, hold, grant, renewal });
    });
    const size = this.#store.limits.renewBatch;
    const batches = [];
    for (let from = 0; from < sent.length; from += size) batches.push(sent.slice(from, from + size));
    await Promise.all(
      batches.map(async (batch) => {
        for (const [i, answer] of (await this.#send(batch, asOf)).entries())
          answers[batch[i]!.index] = answer;
      }),
    );
    return answers;
  }

  /** Tells the store whom the hold serves, when that does not change any more. */
  tellServed(hold: Hold): void {
    this.#clock.after(hold.turnLeft(this.#clock.now()), () => void this.#tellServed(hold));
  }

  /** Until it is known: a thread that renews the hold does not tell. */
  async #tellServed(hold: Hold): Promise<void> {
    if (this.#link.ready) await this.renewAsItIs(hold);
    const isOver = this.#holds.find(hold.id) !== hold || this.#clock.now() >= hold.validUntil;
    if (isOver || hold.knownFence === hold.fence) return;
    this.#clock.after(TELL_AGAIN_MS, () => void this.#tellServed(hold)).keepAlive(false);
  }

  /**
   * Tells the store whom the hold serves, and asks whether it is being taken away; its time stays as it is. A renewal that
   * is on its way does so, too.
   */
  async renewAsItIs(hold: Hold): Promise<void> {
    const left = hold.validUntil - this.#clock.now();
    if (left > 0 && !hold.isRenewing) await this.renew([{ grant: hold.grant, ttl: ttlFor(left) }]);
  }

  /** A message says that the hold is being taken away: it ends `grace` ms after the message was sent. */
  revoked(hold: Hold, grace: number): void {
    const now = this.#clock.now();
    this.#endIn(hold, grace, now);
    // The message may have been long on its way. Only the answer to a question tells when the store's time is up.
    void this.renew([{ grant: hold.grant, ttl: Math.ceil(grace) }]);
  }

  #endIn(hold: Hold, grace: number, asOf: number): void {
    const until = surelyUntil(asOf, grace);
    const left = until - this.#clock.now();
    // At once, so that a thread that shares it does not take it for expired.
    if (left <= 0) this.#holds.end(hold, 'revoked');
    else {
      hold.endBy(until);
      this.#holds.retimed(hold);
    }
    hold.request.onRevoked?.(Math.max(0, left));
  }

  /** Undefined: the hold is over. */
  #start(hold: Hold, ttl: number, now: number): Renewal | undefined {
    const sequence = hold.startRenewal(ttl, now);
    this.#holds.retimed(hold);
    if (sequence === undefined) return void hold.endRenewal();
    const { key, token, serves } = hold;
    return { key, token, mode: hold.request.mode, ttl, sequence, serves };
  }

  async #send(batch: readonly Sent[], asOf: number): Promise<(Grant | null | Error)[]> {
    let answers: readonly RenewalAnswer[];
    try {
      answers = await this.#store.renew(batch.map(({ renewal }) => renewal));
      this.#link.answered(batch[0]!.hold.key);
    } catch (error) {
      answers = batch.map(() => error as StoreError);
    }
    return batch.map((sent, i) => this.#take(sent, answers[i]!, asOf));
  }

  #take({ hold, grant, renewal }: Sent, answer: RenewalAnswer, asOf: number): Grant | null | Error {
    hold.endRenewal();
    if (answer instanceof Error) return answer;
    // A renewal of another thread may have overtaken it, and the store ignores what is behind that.
    if (renewal.serves && hold.isLatest(renewal.sequence)) hold.knownFence = renewal.serves.fence;
    if (answer === 'renewed') {
      const until = surelyUntil(asOf, renewal.ttl);
      hold.renewed(renewal.sequence, until);
      this.#holds.retimed(hold);
      return { ...grant, validUntil: Math.min(until, hold.validUntil) };
    }
    if (answer === 'lost') this.#holds.end(hold, 'stolen');
    else if (this.#holds.find(hold.id) === hold) this.#endIn(hold, answer.revoked, asOf);
    return null;
  }
}

const wasNotSent = (answer: Grant | null | Error): boolean =>
  (answer as StoreError | null)?.outcome === 'not-sent';
