import type { Attributes, Counter, Histogram, Meter, UpDownCounter } from '@opentelemetry/api';
import type { LockTrace } from '../lease/diagnostics.js';

interface Hold {
  readonly since: number;
  readonly labels: Attributes;
}

const BOUNDARIES = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800];

/** What is measured. */
export class Instruments {
  readonly #wait: Histogram;
  readonly #hold: Histogram;
  readonly #lost: Counter;
  readonly #extensions: Counter;
  readonly #renewals: Counter;
  readonly #held: UpDownCounter;
  readonly #waiting: UpDownCounter;
  readonly #waits = new Map<LockTrace, Attributes>();
  readonly #holds = new Map<string, Hold>();

  constructor(meter: Meter) {
    const seconds = (description: string) => ({
      description,
      unit: 's',
      advice: { explicitBucketBoundaries: BOUNDARIES },
    });
    this.#wait = meter.createHistogram('latchkey.wait', seconds('Time that acquiring took, by outcome'));
    this.#hold = meter.createHistogram('latchkey.hold', seconds('Time that leases were held, by outcome'));
    this.#lost = meter.createCounter('latchkey.lost', { description: 'Leases lost, by reason' });
    this.#extensions = meter.createCounter('latchkey.extensions', {
      description: 'Extensions that were asked for, by outcome',
    });
    this.#renewals = meter.createCounter('latchkey.renewals', {
      description: 'Automatic renewals, by outcome',
    });
    this.#held = meter.createUpDownCounter('latchkey.held', { description: 'Leases held now' });
    this.#waiting = meter.createUpDownCounter('latchkey.waiting', { description: 'Callers waiting now' });
  }

  /** Counts nobody any more who waits or holds now: nobody would be told of their end. */
  stop(): void {
    for (const labels of this.#waits.values()) this.#waiting.add(-1, labels);
    for (const { labels } of this.#holds.values()) this.#held.add(-1, labels);
    this.#waits.clear();
    this.#holds.clear();
  }

  waits(message: LockTrace, labels: Attributes): void {
    this.#waits.set(message, labels);
    this.#waiting.add(1, labels);
  }

  waited(message: LockTrace, labels: Attributes, ms: number, outcome: string): void {
    // As they were when it began: a function of the user makes them.
    this.#waiting.add(-1, this.#waits.get(message) ?? labels);
    this.#waits.delete(message);
    this.#wait.record(ms / 1_000, { ...labels, outcome });
    if (message.fence === undefined) return;
    this.#holds.set(idOf(message), { since: performance.now(), labels });
    this.#held.add(1, labels);
  }

  extended(labels: Attributes, outcome: string): void {
    this.#extensions.add(1, { ...labels, outcome });
  }

  renewed(labels: Attributes, outcome: string): void {
    this.#renewals.add(1, { ...labels, outcome });
  }

  lost(message: LockTrace, labels: Attributes, reason: string): void {
    this.#lost.add(1, { ...labels, reason });
    this.ended(message, labels, 'lost');
  }

  ended(message: LockTrace, labels: Attributes, outcome: string): void {
    const id = idOf(message);
    const hold = this.#holds.get(id);
    if (!hold) return;
    this.#holds.delete(id);
    this.#held.add(-1, hold.labels);
    this.#hold.record((performance.now() - hold.since) / 1_000, { ...labels, outcome });
  }
}

const idOf = ({ locker, keys, fence }: LockTrace) => JSON.stringify([locker, keys, fence]);
