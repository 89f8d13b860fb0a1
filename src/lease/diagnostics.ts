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
  /** On `latchkey:lost` and `latchkey:revoked`. */
  error?: LockLostError;
  /** On `latchkey:revoked`: ms that the holder has to release it. */
  grace?: number;
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

function toTrace(locker: string, { keys, mode, fence }: Traceable): LockTrace {
  return { locker, keys: [...keys], mode, ...(fence !== undefined && { fence }) };
}
