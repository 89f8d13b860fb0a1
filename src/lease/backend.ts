import type { Clock } from '../core/clock.js';
import { LockBackendError, LockConfigError, type LossReason } from '../core/errors.js';
import { withoutLogin } from '../text/without-login.js';
import type {
  Extension,
  Grant,
  ListProgress,
  LockDriver,
  LockInfo,
  ThreadRenewal,
  ThreadTerms,
} from './driver.js';
import { faultOf } from './fault.js';
import type { LiveHold, LiveHolds } from './live-holds.js';
import { type Renewable, Renewer } from './renewer.js';

/** A driver in use, and what keeps its leases alive. Whatever the driver throws, now or later, is a LockError here. */
export class Backend {
  readonly renewer: Renewer;

  constructor(
    readonly name: string,
    readonly driver: LockDriver,
    readonly clock: Clock,
    readonly live: LiveHolds,
  ) {
    const most = driver.extendMany ? Infinity : 1;
    this.renewer = new Renewer(clock, (extensions) => this.extend(extensions), most);
  }

  /** The answers stand in the order of the extensions; each fault is its hold's alone. Never rejects. */
  async extend(extensions: readonly Extension[]): Promise<(Grant | null | Error)[]> {
    const { driver } = this;
    try {
      const answers =
        driver.extendMany && extensions.length > 1
          ? await driver.extendMany(extensions)
          : await Promise.all(extensions.map((extension) => this.#extendOne(extension)));
      return extensions.map((_, index) => {
        const answer: Grant | null | Error | undefined = answers[index];
        if (answer === undefined) return new LockBackendError('the driver gave no answer to an extension');
        return answer instanceof Error ? faultOf(answer) : answer;
      });
    } catch (error) {
      const fault = faultOf(error);
      return extensions.map(() => fault);
    }
  }

  /** As {@link LockDriver.startThread}. */
  startThread(): Promise<void> | undefined {
    return this.driver.startThread?.();
  }

  /** Renews them all in a thread. Undefined: the driver cannot. */
  renewInThread(grants: readonly Grant[], terms: ThreadTerms): ThreadRenewal | undefined {
    const { driver } = this;
    if (!driver.renewInThread) return undefined;
    const renewals = grants.map((grant) => driver.renewInThread!(grant, terms));
    const known = renewals.filter((renewal) => renewal !== undefined);
    if (known.length < grants.length) return undefined;
    return new ThreadRenewals(known);
  }

  /**
   * Gives back the grants of a hold that is over, the last one first, each under the largest of their fences; also when
   * one fails. False: one was no longer ours.
   */
  async giveBack(
    hold: Renewable & LiveHold,
    grants: readonly Grant[],
    keepFor: number | undefined,
  ): Promise<boolean> {
    const { driver, live, renewer } = this;
    try {
      if (grants.length === 1) {
        const released = driver.release(grants[0]!, keepFor);
        // Not before the command has left: somebody else waits for the key.
        renewer.unwatch(hold);
        return await released;
      }
      renewer.unwatch(hold);
      const fence = largestFence(grants);
      const releases = [...grants]
        .reverse()
        .map(async (grant) => driver.release({ ...grant, fence }, keepFor));
      const results = await Promise.allSettled(releases);
      const failed = results.find((result) => result.status === 'rejected');
      if (failed) throw failed.reason;
      return results.every((result) => result.status === 'fulfilled' && result.value);
    } catch (error) {
      throw faultOf(error);
    } finally {
      live.delete(hold);
    }
  }

  inspect(name: string): Promise<LockInfo | null> {
    return guarded(() => this.driver.inspect(name));
  }

  /** @throws LockConfigError where the driver cannot list. */
  async *list(
    prefix: string,
    onProgress?: (progress: ListProgress) => void,
  ): AsyncGenerator<LockInfo, void, void> {
    if (!this.driver.list) throw this.#cannot('list locks');
    try {
      yield* this.driver.list(prefix, onProgress);
    } catch (error) {
      throw faultOf(error);
    }
  }

  /** @throws LockConfigError where the driver cannot revoke. */
  async revoke(name: string, fence: number, grace: number): Promise<boolean> {
    if (!this.driver.revoke) throw this.#cannot('revoke holds');
    return guarded(() => this.driver.revoke!(name, fence, grace));
  }

  ping(): Promise<void> {
    return guarded(() => this.driver.ping());
  }

  /** Closes the driver; no lease is renewed any more. */
  close(): Promise<void> {
    this.renewer.stop();
    return guarded(() => this.driver.close());
  }

  async #extendOne({ grant, ttl }: Extension): Promise<Grant | null | Error> {
    try {
      return await this.driver.extend(grant, ttl);
    } catch (error) {
      return faultOf(error);
    }
  }

  #cannot(what: string): LockConfigError {
    return new LockConfigError(`driver "${withoutLogin(this.name)}" cannot ${what}`);
  }
}

/** Of all keys of a lease, which are lost together. */
class ThreadRenewals implements ThreadRenewal {
  readonly #renewals: readonly ThreadRenewal[];

  constructor(renewals: readonly ThreadRenewal[]) {
    this.#renewals = renewals;
  }

  get validUntil(): number {
    return this.#renewals.reduce((until, renewal) => Math.min(until, renewal.validUntil), Infinity);
  }

  get loss(): LossReason | undefined {
    return this.#renewals.find(({ loss }) => loss)?.loss;
  }

  get running(): boolean {
    return this.#renewals.every(({ running }) => running);
  }

  setTtl(ttl: number): void {
    for (const renewal of this.#renewals) renewal.setTtl(ttl);
  }
}

/** 0 where there are none. */
export function largestFence(grants: readonly Grant[]): number {
  return grants.reduce((largest, { fence }) => Math.max(largest, fence), 0);
}

async function guarded<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw faultOf(error);
  }
}
