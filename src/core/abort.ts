import { BriefMap } from './brief-map.js';
import { LockUsageError } from './errors.js';

/** What calls all those who listen to a signal. */
interface Listener {
  readonly calls: BriefMap<number, () => void>;
  readonly onAbort: () => void;
}

const listeners = new WeakMap<AbortSignal, Listener>();
let lastId = 0;

/**
 * Calls `fn` when `signal` aborts; returns what takes it back. However many callers share a signal, it carries one
 * listener, so that adding and taking back are O(1) and Node sees no leak. When all have taken back, it carries none: Node
 * keeps a signal of `AbortSignal.any` in memory while it has a listener.
 */
export function onAbort(signal: AbortSignal, fn: () => void): () => void {
  const listener = listeners.get(signal) ?? listen(signal);
  const id = ++lastId;
  listener.calls.set(id, fn);
  return () => {
    listener.calls.delete(id);
    if (listener.calls.size > 0 || listeners.get(signal) !== listener) return;
    listeners.delete(signal);
    signal.removeEventListener('abort', listener.onAbort);
  };
}

function listen(signal: AbortSignal): Listener {
  const calls = new BriefMap<number, () => void>();
  const listener: Listener = {
    calls,
    onAbort: () => {
      listeners.delete(signal);
      for (const call of calls.values()) call();
    },
  };
  listeners.set(signal, listener);
  signal.addEventListener('abort', listener.onAbort, { once: true });
  return listener;
}

/** A signal that aborts with the first of the two, until `done` is called. */
export function firstOf(
  a: AbortSignal,
  b: AbortSignal | undefined,
): { signal: AbortSignal; done: () => void } {
  const aborted = [a, b].find((signal) => signal?.aborted);
  if (!b || aborted) return { signal: aborted ?? a, done: () => {} };
  const both = new AbortController();
  const stops = [a, b].map((signal) => onAbort(signal, () => both.abort(signal.reason)));
  const done = () => {
    for (const stop of stops) stop();
  };
  return { signal: both.signal, done };
}

/** @throws LockUsageError for what is neither an AbortSignal nor undefined. */
export function checkSignal(signal: unknown): asserts signal is AbortSignal | undefined {
  const { aborted, addEventListener, removeEventListener } = (signal ?? {}) as Partial<AbortSignal>;
  const listens = typeof addEventListener === 'function' && typeof removeEventListener === 'function';
  const ok = signal === undefined || (typeof aborted === 'boolean' && listens);
  if (!ok) throw new LockUsageError('signal', signal, 'an AbortSignal');
}
