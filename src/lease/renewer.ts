import type { Clock } from '../core/clock.js';
import { Deadlines } from '../core/deadlines.js';
import type { Extension, Grant, LockDriver } from './driver.js';
import type { HeldLease } from './held-lease.js';

/** One timer that keeps many leases alive, in batches, and tells those whose time is up. */
export class Renewer {
  readonly #clock: Clock;
  readonly #deadlines: Deadlines;
  readonly #due: HeldLease[] = [];

  constructor(
    clock: Clock,
    readonly driver: LockDriver,
  ) {
    this.#clock = clock;
    this.#deadlines = new Deadlines(clock);
  }

  /** Sets the lease's next alarm. After a fault, a renewal is tried again soon, and often until the deadline. */
  watch(lease: HeldLease, afterFault = false): void {
    const soon = this.#clock.now() + Math.max(10, lease.ttl() / 8);
    const renewAt = afterFault ? Math.max(lease.renewAt, soon) : lease.renewAt;
    this.#deadlines.set(lease.alarm, Math.min(renewAt, lease.deadline));
  }

  unwatch(lease: HeldLease): void {
    this.#deadlines.clear(lease.alarm);
  }

  /** Whether the process must live on, for somebody works under a lease; as many `true` as `false`. */
  keepAlive(yes: boolean): void {
    this.#deadlines.keepAlive(yes);
  }

  /** Closes the driver; no lease is renewed any more. */
  async close(): Promise<void> {
    this.#deadlines.stop();
    await this.driver.close();
  }

  /** The lease's alarm went off: it is to be renewed, or over. */
  due(lease: HeldLease): void {
    if (!lease.held) lease.expire();
    else if (this.#due.push(lease) === 1) queueMicrotask(() => void this.#renew(this.#due.splice(0)));
  }

  async #renew(due: HeldLease[]): Promise<void> {
    for (const lease of due) if (!lease.held) lease.expire();
    const leases = due.filter((lease) => lease.held);
    const renewals = leases.map((lease) => lease.startRenewal());
    // Silence must not outlast the lease: the deadline stays set while the answer is awaited.
    for (const lease of leases) this.watch(lease);
    const extensions = renewals.flatMap(({ grants, ttl }) => grants.map((grant) => ({ grant, ttl })));
    const answers = await this.#extend(extensions);
    for (const { grants, answer } of renewals) answer(answers.splice(0, grants.length));
  }

  async #extend(extensions: Extension[]): Promise<(Grant | null | Error)[]> {
    if (this.driver.extendMany) {
      try {
        return await this.driver.extendMany(extensions);
      } catch (error) {
        return extensions.map(() => error as Error);
      }
    }
    return Promise.all(
      extensions.map(({ grant, ttl }) => this.driver.extend(grant, ttl).catch((error: Error) => error)),
    );
  }
}
