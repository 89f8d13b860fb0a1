import {
  LockBackendError,
  LockClosedError,
  LockLostError,
  LockNotObtainedError,
} from '../../src/core/errors.js';
import type { LockDriver } from '../../src/lease/driver.js';
import type { Lease } from '../../src/lease/lease.js';
import type { Locker } from '../../src/lease/locker.js';
import type { ActorPlan, Inspect, Revoke, Step, Use } from './plan.js';
import type { SimProcess } from './process.js';
import { GIVEN_UP, type Grip, type Refusal, type Request } from './request.js';

/** What an actor tells of what it does. */
export interface ActorHost {
  readonly process: SimProcess;
  readonly locker: Locker;
  readonly driver: LockDriver;
  called(use: Use, id: string): Request;
  granted(request: Request, grip: Grip): void;
  refused(request: Request, refusal: Refusal, error: unknown): void;
  giveUp(request: Request): void;
  refreshed(request: Request, ttl: number, answer: boolean | 'outage'): void;
  blocks(request: Request, ms: number): void;
  releasing(request: Request): void;
  released(request: Request, answer: boolean | 'outage'): void;
  /** A third time, past the lease. */
  releasedAgain(request: Request, answer: boolean): void;
  did(what: string, ...about: (string | number | undefined)[]): void;
}

// Between two refreshes of a lease.
const REFRESH_MS = 1;

/** Does the steps of a plan, one after the other, until its process closes. */
export class Actor {
  readonly #plan: ActorPlan;
  readonly #host: ActorHost;

  constructor(plan: ActorPlan, host: ActorHost) {
    this.#plan = plan;
    this.#host = host;
  }

  async run(): Promise<void> {
    for (const [n, step] of this.#plan.steps.entries()) {
      await this.#host.process.sleep(step.after);
      await this.#do(step, `${this.#plan.name}.${n + 1}`);
    }
  }

  #do(step: Step, id: string): Promise<void> {
    if (step.do === 'use') return this.#use(step, id);
    const quietly = (error: unknown) => this.#host.did(`${step.do} failed`, this.#plan.name, String(error));
    return (step.do === 'inspect' ? this.#inspect(step) : this.#revoke(step)).catch(quietly);
  }

  async #inspect({ key }: Inspect): Promise<void> {
    const info = await this.#host.locker.inspect(key);
    this.#host.did('inspected', this.#plan.name, key, info?.holders.length ?? 0, info?.waiters ?? 0);
  }

  async #revoke({ key, grace }: Revoke): Promise<void> {
    const { locker } = this.#host;
    const [holder] = (await locker.inspect(key))?.holders ?? [];
    if (!holder) return;
    const revoked = await locker.revoke(key, holder.fence, { grace });
    this.#host.did('revoked', this.#plan.name, key, `fence ${holder.fence}`, revoked ? 'true' : 'false');
  }

  async #use(use: Use, id: string): Promise<void> {
    const { locker, process } = this.#host;
    const request = this.#host.called(use, id);
    if (use.abort !== undefined && use.abort < Infinity)
      process.later(use.abort, () => this.#host.giveUp(request));
    const keys = use.keys.length === 1 ? use.keys[0]! : use.keys;
    const options = optionsOf(use, id, request.stop.signal);
    try {
      if (use.manner === 'with' || use.manner === 'tryWith') {
        const work = (lease: Lease) => this.#work(request, lease, lease);
        if (use.manner === 'with') await locker.with(keys, work, options);
        else if (!(await locker.tryWith(keys, work, options)).acquired)
          this.#host.refused(request, 'contention', undefined);
        if (request.grip) this.#host.released(request, true);
      } else if (use.manner === 'handle') {
        const handle = locker.New(use.keys[0]!, undefined, options);
        if (use.wait === 0) {
          if (!(await handle.tryLock())) return this.#host.refused(request, 'contention', undefined);
        } else await handle.lock();
        await this.#work(request, handle, handle);
        await this.#release(request, () => handle.unlock());
      } else {
        const lease =
          use.manner === 'try' ? await locker.tryAcquire(keys, options) : await locker.acquire(keys, options);
        if (!lease) return this.#host.refused(request, 'contention', undefined);
        await this.#work(request, lease, lease);
        await this.#release(request, () => lease.release());
      }
    } catch (error) {
      if (request.waits) this.#host.refused(request, refusalOf(error, request.stop.signal), error);
      else if (error instanceof LockLostError) this.#host.released(request, false);
      else throw error;
    }
  }

  async #work(
    request: Request,
    grip: Grip,
    { refresh }: { refresh(ttl: number): Promise<boolean> },
  ): Promise<void> {
    const { use, process } = request;
    this.#host.granted(request, grip);
    await process.sleep(use.hold / 2);
    if (use.block !== undefined) {
      this.#host.blocks(request, use.block);
    }
    const refreshes = (use.refresh ?? []).map(async (ttl, n) => {
      await process.sleep(n * REFRESH_MS);
      const answer = await refresh.call(grip, ttl).catch((): 'outage' => 'outage');
      this.#host.refreshed(request, ttl, answer);
    });
    await Promise.all(refreshes);
    await process.sleep(use.hold / 2);
    if (use.manner === 'with' || use.manner === 'tryWith') this.#host.releasing(request);
  }

  async #release(request: Request, release: () => Promise<boolean>): Promise<void> {
    if (request.use.end === 'forget') return this.#host.did('forgets', request.id);
    this.#host.releasing(request);
    const first = release();
    const answers = request.use.end === 'twice' ? [first, release()] : [first];
    try {
      const [answer, again] = await Promise.all(answers);
      this.#host.released(request, answer!);
      if (again !== undefined) await this.#releaseAgain(request, answer!, again);
    } catch (error) {
      if (!(error instanceof LockBackendError)) throw error;
      if (request.releasedAt === undefined) this.#host.released(request, 'outage');
    }
  }

  /** A release of what is not held any more: by whom may have the lock now. */
  async #releaseAgain(request: Request, first: boolean, second: boolean): Promise<void> {
    const { token, fence, use, keys } = request;
    if (!token) return;
    if (second !== first) throw new Error('two releases of one lease answered differently');
    const [key, ...more] = keys;
    if (!first || more.length > 0) return;
    const grant = { key: key!, token, mode: use.mode, fence, validUntil: Infinity };
    this.#host.releasedAgain(request, await this.#host.driver.release(grant).catch(() => false));
  }
}

function optionsOf(use: Use, id: string, signal: AbortSignal) {
  const { mode, ttl, wait, limit, retry, autoRenew, maxHold, atLeast, abort } = use;
  return {
    mode,
    ttl,
    wait,
    meta: { id },
    ...(limit !== undefined && { limit }),
    ...(retry !== undefined && { retry }),
    ...(autoRenew !== undefined && { autoRenew }),
    ...(maxHold !== undefined && { maxHold }),
    ...(atLeast !== undefined && { atLeast }),
    ...(abort !== undefined && { signal }),
  };
}

function refusalOf(error: unknown, signal: AbortSignal): Refusal {
  if (error === GIVEN_UP && signal.aborted) return 'aborted';
  if (error instanceof LockNotObtainedError) return 'contention';
  if (error instanceof LockBackendError) return 'outage';
  if (error instanceof LockClosedError) return 'closed';
  return 'other';
}
