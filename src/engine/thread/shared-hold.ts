import type { LossReason } from '../../core/errors.js';
import { renewalDue } from '../../lease/renewer.js';
import { surelyUntil } from '../hold.js';
import type { SharedClock } from './shared-clock.js';

/** Until when, by the clock of the thread that reads it, a hold is renewed at most, and how long the event loop may stand still. */
export interface SharedTerms {
  /** `clock.now()` ms. */
  readonly until: number;
  /** ms. */
  readonly maxBlock: number;
}

/** What a hold was until its end. */
export interface Ended {
  readonly validUntil: number;
  /** Of the latest renewal sent. */
  readonly sequence: number;
  /** That renewal has no answer yet. */
  readonly pending: boolean;
}

// The words of the shared memory. ASKED: what the latest renewal asked for, in whole ms, and its number. COUNTS: the number
// of the first renewal whose answer counts though another one was sent after it: none of those asked for less.
const TERM = 0;
const ANSWERED = 1;
const TTL = 2;
const ASKED = 3;
const COUNTS = 4;
const WORDS = 5;

// A term is the deadline in whole ms and the number of the latest renewal sent, in one word so that both change at once.
// Without a deadline the hold is over, and the number says why.
const SEQUENCE_BITS = 27n;
const LAST_SEQUENCE = 2 ** 27 - 1;
const LAST_DEADLINE = 2 ** 37 - 1;
const ENDINGS: readonly (LossReason | 'released')[] = [
  'released',
  'expired',
  'stolen',
  'backend',
  'maxHold',
  'closed',
  'revoked',
  'blocked',
];

/**
 * The time of a hold, which two threads read and renew. Either sees at once what the other one did. Every change is one
 * compare-and-exchange: a renewal starts before the end of the hold or not at all, and nothing revives a hold that one of
 * them has seen to be over.
 */
export class SharedHold {
  readonly #words: BigUint64Array;
  readonly #clock: SharedClock;
  readonly #terms: SharedTerms;

  constructor(memory: SharedArrayBuffer, clock: SharedClock, terms: SharedTerms) {
    this.#words = new BigUint64Array(memory);
    this.#clock = clock;
    this.#terms = terms;
  }

  /** The memory of a hold whose latest renewal had the number `sequence`. */
  static memory(clock: SharedClock, validUntil: number, sequence: number, ttl: number): SharedArrayBuffer {
    const memory = new SharedArrayBuffer(WORDS * BigUint64Array.BYTES_PER_ELEMENT);
    const words = new BigUint64Array(memory);
    words[TERM] = pack(clock.toShared(validUntil), sequence);
    words[ANSWERED] = BigInt(sequence);
    words[TTL] = BigInt(ttl);
    // Only the latest of those that were sent before.
    words[COUNTS] = BigInt(sequence + 1);
    return memory;
  }

  /** `clock.now()` until which the hold is surely ours, as either thread last proved; -Infinity when it is over. */
  get validUntil(): number {
    const term = this.#current();
    return term === undefined ? -Infinity : this.#deadlineOf(term);
  }

  /** The number of the latest renewal sent, by either thread; undefined when it is over. */
  get sequence(): number | undefined {
    const term = this.#current();
    return term === undefined ? undefined : sequenceOf(term);
  }

  /** Why it was lost; undefined while it is not, and when it was released. */
  get loss(): LossReason | undefined {
    const term = this.#load(TERM);
    const ending = isOver(term) ? ENDINGS[sequenceOf(term)] : undefined;
    return ending === 'released' ? undefined : ending;
  }

  /** What a renewal sets, in ms; 0 when it is renewed no more. */
  get ttl(): number {
    return Number(this.#load(TTL));
  }

  set ttl(ms: number) {
    // What is renewed no more stays so.
    this.#replace(TTL, ms, (known) => known > 0n);
  }

  /** When to renew it, once `share` of its ttl is gone; Infinity when it is renewed no more. */
  renewAt(share: number): number {
    const { ttl, validUntil } = this;
    if (ttl === 0 || validUntil >= this.#terms.until) return Infinity;
    return renewalDue(validUntil, ttl, share);
  }

  /** A renewal is about to be sent: its number. Until it is answered, a shorter time counts. Undefined: it is over. */
  startRenewal(ttl: number, now: number): number | undefined {
    for (;;) {
      const term = this.#current();
      if (term === undefined) return undefined;
      const sequence = sequenceOf(term) + 1;
      if (sequence > LAST_SEQUENCE) return void this.end('expired');
      // Before it counts as sent: a shorter time may be in force once it is. The other thread may not have told yet what it
      // asked for.
      const asked = this.#load(ASKED);
      const asksForLess = sequenceOf(asked) !== sequenceOf(term) || ttl < Number(asked >> SEQUENCE_BITS);
      if (asksForLess) this.#raise(COUNTS, sequence);
      const until = Math.min(this.#deadlineOf(term), surelyUntil(now, ttl));
      if (!this.#change(term, pack(this.#clock.toShared(until), sequence))) continue;
      Atomics.store(this.#words, ASKED, pack(Math.ceil(ttl), sequence));
      return sequence;
    }
  }

  /**
   * The store renewed it. The answer to an earlier renewal makes the time longer too, unless one sent after it asked for
   * less: where answers are slow, each thread sends its own before that of the other is here.
   */
  renewed(sequence: number, until: number): void {
    for (;;) {
      const term = this.#current();
      if (term === undefined) return;
      const latest = sequenceOf(term);
      if (sequence === latest) Atomics.store(this.#words, ANSWERED, BigInt(sequence));
      else if (sequence < Number(this.#load(COUNTS)) || until <= this.#deadlineOf(term)) return;
      if (this.#change(term, pack(this.#clock.toShared(until), latest))) return;
    }
  }

  /** It ends at that time at the latest. */
  endBy(at: number): void {
    for (;;) {
      const term = this.#current();
      if (term === undefined) return;
      this.#raise(COUNTS, sequenceOf(term));
      if (this.#deadlineOf(term) <= at) return;
      if (this.#change(term, pack(this.#clock.toShared(at), sequenceOf(term)))) return;
    }
  }

  /** It is over: no renewal starts after this. Returns what it was until then; undefined where it was over already. */
  end(ending: LossReason | 'released'): Ended | undefined {
    for (;;) {
      const term = this.#current();
      if (term === undefined) return undefined;
      if (this.#change(term, over(ending)))
        return {
          validUntil: this.#deadlineOf(term),
          sequence: sequenceOf(term),
          pending: this.#isPending(term),
        };
    }
  }

  /** The term; undefined when the hold is over. Whoever sees that its time is up ends it, so that nothing revives it. */
  #current(): bigint | undefined {
    for (;;) {
      const term = this.#load(TERM);
      if (isOver(term)) return undefined;
      const loss = this.#lossOf(term);
      if (!loss) return term;
      this.#change(term, over(loss));
    }
  }

  #lossOf(term: bigint): LossReason | undefined {
    const now = this.#clock.now();
    const { until, maxBlock } = this.#terms;
    const deadline = this.#deadlineOf(term);
    if (now - this.#clock.beat >= maxBlock) return 'blocked';
    if (now < Math.min(deadline, until)) return undefined;
    if (this.ttl === 0) return 'revoked';
    if (until <= deadline) return 'maxHold';
    return this.#isPending(term) ? 'backend' : 'expired';
  }

  #isPending(term: bigint): boolean {
    return BigInt(sequenceOf(term)) !== this.#load(ANSWERED);
  }

  #deadlineOf(term: bigint): number {
    return this.#clock.fromShared(Number(term >> SEQUENCE_BITS));
  }

  #load(word: number): bigint {
    return Atomics.load(this.#words, word);
  }

  #raise(word: number, to: number): void {
    this.#replace(word, to, (known) => known < to);
  }

  #replace(word: number, value: number, where: (known: bigint) => boolean): void {
    let known = this.#load(word);
    while (where(known)) {
      const found = Atomics.compareExchange(this.#words, word, known, BigInt(value));
      if (found === known) return;
      known = found;
    }
  }

  #change(from: bigint, to: bigint): boolean {
    return Atomics.compareExchange(this.#words, TERM, from, to) === from;
  }
}

function pack(deadline: number, sequence: number): bigint {
  const whole = Math.max(1, Math.min(Math.floor(deadline), LAST_DEADLINE));
  return (BigInt(whole) << SEQUENCE_BITS) | BigInt(sequence);
}

const sequenceOf = (term: bigint) => Number(term & BigInt(LAST_SEQUENCE));

const isOver = (term: bigint) => term >> SEQUENCE_BITS === 0n;

const over = (ending: LossReason | 'released') => BigInt(ENDINGS.indexOf(ending));
