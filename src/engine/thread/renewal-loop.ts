import type { Clock } from '../../core/clock.js';
import type { RenewalOutcome } from '../../lease/driver.js';
import { type Outcome, type Renewable, Renewer, type Sent } from '../../lease/renewer.js';
import { surelyUntil } from '../hold.js';
import { type Renewal, type RenewalAnswer, type RenewingStore, StoreError } from '../store.js';
import type { FromThread, HoldMessage, ToThread } from './messages.js';
import type { SharedClock } from './shared-clock.js';
import { SharedHold } from './shared-hold.js';

// Holds are renewed when so much of their ttl is gone.
const RENEWED_AFTER = 1 / 3;

/** Renews holds in a thread that has a store of its own: as the main thread would, whether or not that stands still. */
export class RenewalLoop {
  readonly #store: RenewingStore;
  readonly #clock: Clock;
  readonly #sharedClock: SharedClock;
  readonly #tell: (message: FromThread) => void;
  readonly #holds = new Map<number, ThreadHold>();
  readonly #renewer: Renewer<Renewal, RenewalAnswer>;

  constructor(
    store: RenewingStore,
    clock: Clock,
    sharedClock: SharedClock,
    tell: (message: FromThread) => void,
  ) {
    this.#store = store;
    this.#clock = clock;
    this.#sharedClock = sharedClock;
    this.#tell = tell;
    const { renewBatch } = store.limits;
    this.#renewer = new Renewer(clock, (renewals) => this.#renew(renewals), renewBatch);
    store.open({ ready: () => tell({ ready: true }), lost() {}, granted() {}, revoked() {}, lookIn() {} });
  }

  receive(message: ToThread): void {
    if ('renew' in message) this.#add(message.renew);
    else if ('retimed' in message) this.#retime(message.retimed);
    else for (const id of message.forget) this.#forget(id);
  }

  #add(told: HoldMessage): void {
    const shared = new SharedHold(told.memory, this.#sharedClock, {
      until: this.#sharedClock.fromShared(told.until),
      maxBlock: told.maxBlock,
    });
    const hold = new ThreadHold(told, shared, this.#clock, {
      fire: () => this.#renewer.due(hold),
      over: () => this.#over(hold),
      revoked: (grace) => this.#tell({ revoked: told.id, grace }),
      renewal: (outcome) => told.traced && this.#tell({ renewal: told.id, outcome }),
    });
    this.#holds.set(told.id, hold);
    this.#renewer.watch(hold);
  }

  #retime(id: number): void {
    const hold = this.#holds.get(id);
    if (hold) this.#renewer.watch(hold);
  }

  #forget(id: number): void {
    const hold = this.#holds.get(id);
    if (!hold) return;
    this.#holds.delete(id);
    this.#renewer.unwatch(hold);
  }

  #over({ told, shared }: ThreadHold): void {
    if (!this.#holds.has(told.id)) return;
    this.#forget(told.id);
    if (shared.loss) this.#tell({ lost: told.id });
  }

  #renew(renewals: readonly Renewal[]): Promise<readonly RenewalAnswer[]> {
    return this.#store.renew(renewals).catch((error: StoreError) => renewals.map(() => error));
  }
}

interface Events {
  fire(): void;
  over(): void;
  revoked(grace: number): void;
  renewal(outcome: RenewalOutcome): void;
}

class ThreadHold implements Renewable<Renewal, RenewalAnswer> {
  at = Infinity;
  index = -1;
  readonly #clock: Clock;
  readonly #events: Events;
  /** A renewal has no answer yet. */
  #sent = false;

  constructor(
    readonly told: HoldMessage,
    readonly shared: SharedHold,
    clock: Clock,
    events: Events,
  ) {
    this.#clock = clock;
    this.#events = events;
  }

  get renewAt(): number {
    return this.#sent ? Infinity : this.shared.renewAt(RENEWED_AFTER);
  }

  get deadline(): number {
    return this.shared.validUntil;
  }

  fire(): void {
    this.#events.fire();
  }

  expire(): void {
    this.#events.over();
  }

  startRenewal(): Sent<Renewal, RenewalAnswer> | undefined {
    const { key, token, mode } = this.told;
    const { ttl } = this.shared;
    const asOf = this.#clock.now();
    const sequence = this.shared.startRenewal(ttl, asOf);
    if (sequence === undefined) {
      this.#events.over();
      return undefined;
    }
    this.#sent = true;
    return {
      requests: [{ key, token, mode, ttl, sequence }],
      answered: ([answer]) => {
        this.#sent = false;
        this.#events.renewal(outcomeOf(answer!));
        return this.#take(answer!, sequence, asOf, ttl);
      },
    };
  }

  #take(answer: RenewalAnswer, sequence: number, asOf: number, ttl: number): Outcome {
    if (answer instanceof StoreError) return 'failed';
    if (answer === 'renewed') this.shared.renewed(sequence, surelyUntil(asOf, ttl));
    else if (answer === 'lost') this.shared.end('stolen');
    else {
      this.shared.ttl = 0;
      const until = surelyUntil(asOf, answer.revoked);
      this.shared.endBy(until);
      this.#events.revoked(Math.max(0, until - this.#clock.now()));
    }
    // Also where it is over: that is found when it is to be watched.
    return 'renewed';
  }
}

function outcomeOf(answer: RenewalAnswer): RenewalOutcome {
  if (typeof answer === 'string') return answer;
  return answer instanceof StoreError ? 'failed' : 'revoked';
}
