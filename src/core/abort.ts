import { LockUsageError } from './errors.js';

const listeners = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Calls `fn` when `signal` aborts; returns what takes it back. However many callers share a signal, it carries one
 * listener, so that adding and taking back are O(1) and Node sees no leak.
 */
export function onAbort(signal: AbortSignal, fn: () => void): () => void {
  let set = listeners.get(signal);
  if (!set) {
    const calls = new Set<() => void>();
    set = calls;
    listeners.set(signal, calls);
    signal.addEventListener(
      'abort',
      () => {
        listeners.delete(signal);
        for (const call of calls) call();
      },
      { once: true },
    );
  }
  set.add(fn);
  return () => void set.delete(fn);
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
  const { aborted, addEventListener } = (signal ?? {}) as Partial<AbortSignal>;
  const ok = signal === undefined || (typeof aborted === 'boolean' && typeof addEventListener === 'function');
  if (!ok) throw new LockUsageError('signal', signal, 'an AbortSignal');
}
