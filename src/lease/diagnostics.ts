import { channel, tracingChannel } from 'node:diagnostics_channel';
import type { LockLostError } from '../core/errors.js';
import type { LockMode } from './driver.js';

/** What is told of a lease on the `latchkey:*` diagnostics channels: never its token. */
export interface LockTrace {
  locker: string;
  keys: readonly string[];
  mode: LockMode;
  /** Of the lease; absent while none is obtained. */
  fence?: number;
  /** Of the lease, or of the one to be. What is added at `acquire:start` goes with it, as `inspect` shows it. */
  meta: Record<string, string>;
  /** On `acquire`: who holds the keys now, by the backend. @throws as `inspect` */
  holders?: () => Promise<LockInfo['holders']>;
  /** On `latchkey:lost` and `latchkey:revoked`; on `latchkey:renewal` the fault of one that failed. */
  error?: Error;
  /** On `latchkey:renewal`: what came of an automatic renewal. */
  outcome?: RenewalOutcome;
  /** On `latchkey:revoked`: ms that the holder has to release it. */
  grace?: number;
}

/** What is told of `Locker.lead` on the diagnostics channel `latchkey:lead`. */
export interface LeadTrace {
  locker: string;
  key: string;
  /**
   * - `elected`: it leads, under `fence`.
   * - `failed`: the backend failed while it campaigned, with `error`; it goes on campaigning.
   * - `lost`: it leads no more, for the reason in `error`; it campaigns again when `fn` has settled.
   * - `settled`: `fn` has settled after that, with `error` if it threw; it campaigns again.
   * - `unsettled`: `fn` has not settled, `since` ms after its signal was aborted. Told once, after the ttl.
   * - `ended`: `fn` has settled by itself, or was told to end, and another may lead.
   */
  event: 'elected' | 'failed' | 'lost' | 'settled' | 'unsettled' | 'ended';
  /** Of the term; absent while it campaigns. */
  fence?: number;
  error?: unknown;
  /** ms. */
  since?: number;
}

type Traced = 'acquire' | 'extend' | 'release';

interface Traceable {
  readonly keys: readonly string[];
  readonly mode: LockMode;
  readonly fence?: number;
}

/** Tracing channels, as `node:diagnostics_channel` has them: `tracing:latchkey:acquire:start` and so on. */
const tracings = {
  acquire: tracingChannel<unknown, LockTrace>('latchkey:acquire'),
  extend: tracingChannel<unknown, LockTrace>('latchkey:extend'),
  release: tracingChannel<unknown, LockTrace>('latchkey:release'),
};
const lost = channel('latchkey:lost');
const revoked = channel('latchkey:revoked');
const leading = channel('latchkey:lead');

/** Whether anybody listens. Ask before {@link trace}, which costs something. */
export function isTraced(what: Traced): boolean {
  return tracings[what].hasSubscribers;
}

/** Runs `fn`, traced. */
export async function trace<T>(
  what: Traced,
  locker: string,
  about: Traceable,
  fn: () => Promise<T>,
): Promise<T> {
  const tracing = tracings[what];
  const message = toTrace(locker, about);
  let result!: T;
  // tracePromise puts what it resolves to in the message, and a lease has a token: so it resolves to nothing.
  await tracing.tracePromise(async () => {
    result = await fn();
    const { fence } = (result ?? {}) as Traceable;
    if (fence !== undefined) message.fence = fence;
  }, message);
  return result;
}

/** Tells of a loss on `latchkey:lost`. */
export function traceLost(locker: string, lease: Traceable, error: LockLostError): void {
  if (lost.hasSubscribers) lost.publish({ ...toTrace(locker, lease), error });
}

/** Tells on `latchkey:revoked` that a lease will be lost in `grace` ms. So it is then, unless it is released before. */
export function traceRevoked(locker: string, lease: Traceable, error: LockLostError, grace: number): void {
  if (revoked.hasSubscribers) revoked.publish({ ...toTrace(locker, lease), error, grace });
}

/** Tells of a leader on `latchkey:lead`. */
export function traceLead(message: LeadTrace): void {
  if (leading.hasSubscribers) leading.publish(message);
}

function toTrace(locker: string, { keys, mode, fence }: Traceable): LockTrace {
  return { locker, keys: [...keys], mode, ...(fence !== undefined && { fence }) };
}
