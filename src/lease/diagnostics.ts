import { channel, tracingChannel } from 'node:diagnostics_channel';
import type { LockLostError } from '../core/errors.js';
import type { LockInfo, LockMode, RenewalOutcome } from './driver.js';

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
  /** On `latchkey:lost` and `latchkey:revoked`. */
  error?: LockLostError;
  /** On `latchkey:renewal`: what came of an automatic renewal. */
  outcome?: RenewalOutcome;
  /** On `latchkey:renewal`: why one `failed`, where that is known. */
  fault?: unknown;
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

/** What is told of `Locker.revoke` on the channels `tracing:latchkey:revoke:…`, where it is called. */
export interface RevokeTrace {
  locker: string;
  key: string;
  fence: number;
  /** ms. */
  grace: number;
  /** At its end: whether there was such a hold. */
  result?: boolean;
}

type Traced = 'acquire' | 'extend' | 'release';

interface Traceable {
  readonly keys: readonly string[];
  readonly mode: LockMode;
  readonly meta: Readonly<Record<string, string>>;
  readonly fence?: number;
}

/** Tracing channels, as `node:diagnostics_channel` has them: `tracing:latchkey:acquire:start` and so on. */
const channels = {
  acquire: tracingChannel<unknown, LockTrace>('latchkey:acquire'),
  extend: tracingChannel<unknown, LockTrace>('latchkey:extend'),
  release: tracingChannel<unknown, LockTrace>('latchkey:release'),
};
/** Whether they have subscribers: ask before {@link trace}, which costs something. */
// Typed so for users who compile without the types of Node.
export const tracings: Readonly<Record<Traced, { readonly hasSubscribers: boolean }>> = channels;
const revoking = tracingChannel<unknown, RevokeTrace>('latchkey:revoke');
const renewal = channel('latchkey:renewal');
const lost = channel('latchkey:lost');
const revoked = channel('latchkey:revoked');
const leading = channel('latchkey:lead');

/** Runs `fn`, traced. */
export async function trace<T>(
  what: Traced,
  locker: string,
  about: Traceable,
  fn: () => Promise<T>,
): Promise<T> {
  return traced(what, toTrace(locker, about), fn);
}

/** Runs `fn` with the metadata, to which those who trace it may have added. */
export function traceAcquire<T>(
  locker: string,
  about: Traceable,
  holders: () => Promise<LockInfo['holders']>,
  fn: (meta: Readonly<Record<string, string>>) => Promise<T>,
): Promise<T> {
  const message = toTrace(locker, about);
  // Not to be copied with the rest of the message.
  Object.defineProperty(message, 'holders', { value: holders });
  return traced('acquire', message, () => fn(message.meta));
}

async function traced<T>(what: Traced, message: LockTrace, fn: () => Promise<T>): Promise<T> {
  let result!: T;
  // tracePromise puts what it resolves to in the message, and a lease has a token: so it resolves to nothing.
  await channels[what].tracePromise(async () => {
    result = await fn();
    const { fence } = (result ?? {}) as Partial<Traceable>;
    if (fence !== undefined) message.fence = fence;
  }, message);
  return result;
}

/** Runs a revocation, traced. */
export function traceRevoke(message: RevokeTrace, fn: () => Promise<boolean>): Promise<boolean> {
  return revoking.hasSubscribers ? revoking.tracePromise(fn, message) : fn();
}

/** Whether anybody wants to know of renewals. */
export function isRenewalTraced(): boolean {
  return renewal.hasSubscribers;
}

/** Tells on `latchkey:renewal` what came of an automatic renewal. */
export function traceRenewal(
  locker: string,
  lease: Traceable,
  outcome: RenewalOutcome,
  fault?: unknown,
): void {
  renewal.publish({ ...toTrace(locker, lease), outcome, ...(fault !== undefined && { fault }) });
}

/** Tells of a loss on `latchkey:lost`. */
export function traceLost(locker: string, lease: Traceable, error: LockLostError): void {
  lost.publish({ ...toTrace(locker, lease), error });
}

/** Tells on `latchkey:revoked` that a lease will be lost in `grace` ms. So it is then, unless it is released before. */
export function traceRevoked(locker: string, lease: Traceable, error: LockLostError, grace: number): void {
  revoked.publish({ ...toTrace(locker, lease), error, grace });
}

/** Tells of a leader on `latchkey:lead`. */
export function traceLead(message: LeadTrace): void {
  leading.publish(message);
}

function toTrace(locker: string, { keys, mode, meta, fence }: Traceable): LockTrace {
  return { locker, keys: [...keys], mode, meta: { ...meta }, ...(fence !== undefined && { fence }) };
}
