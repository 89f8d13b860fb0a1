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
  /** On `latchkey:lost` only. */
  error?: LockLostError;
}

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

/** Runs `fn`, traced; without a subscriber that is all it does. */
export function trace<T>(
  what: 'acquire' | 'extend' | 'release',
  locker: string,
  about: Traceable,
  fn: () => Promise<T>,
): Promise<T> {
  const tracing = tracings[what];
  return tracing.hasSubscribers ? traced(tracing, toTrace(locker, about), fn) : fn();
}

async function traced<T>(
  tracing: (typeof tracings)['acquire'],
  message: LockTrace,
  fn: () => Promise<T>,
): Promise<T> {
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

function toTrace(locker: string, { keys, mode, fence }: Traceable): LockTrace {
  return { locker, keys: [...keys], mode, ...(fence !== undefined && { fence }) };
}
