import { onAbort } from './abort.js';
import type { Clock, Timer } from './clock.js';

/** One who waits for a promise. */
interface Waiter<T> {
  fulfilled(value: T): void;
  rejected(error: unknown): void;
}

const waiters = new WeakMap<Promise<unknown>, Set<Waiter<never>>>();

/**
 * What `promise` gives, or undefined when `ms` pass before. Rejects as the promise does, and with the signal's reason
 * when that aborts first.
 */
export function within<T>(
  promise: Promise<T>,
  ms: number,
  clock: Clock,
  signal?: AbortSignal,
): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    let timer: Timer | undefined;
    let stopListening: (() => void) | undefined;
    const end = (settle: () => void) => {
      stopWaiting();
      timer?.cancel();
      stopListening?.();
      settle();
    };
    const stopWaiting = onSettled(promise, {
      fulfilled: (value) => end(() => resolve(value)),
      rejected: (error) => end(() => reject(error)),
    });
    if (signal?.aborted) return end(() => reject(signal.reason));
    stopListening = signal && onAbort(signal, () => end(() => reject(signal.reason)));
    if (ms < Infinity) timer = clock.after(ms, () => end(() => resolve(undefined)));
  });
}

/**
 * Tells when the promise is settled; returns what takes that back. However many wait for a promise, it carries one
 * reaction: one that is never settled would keep all of them in memory.
 */
function onSettled<T>(promise: Promise<T>, waiter: Waiter<T>): () => void {
  const all = (waiters.get(promise) as Set<Waiter<T>> | undefined) ?? watch(promise);
  all.add(waiter);
  return () => void all.delete(waiter);
}

function watch<T>(promise: Promise<T>): Set<Waiter<T>> {
  const all = new Set<Waiter<T>>();
  const tell = (how: (waiter: Waiter<T>) => void) => {
    waiters.delete(promise);
    for (const waiter of all) how(waiter);
  };
  waiters.set(promise, all);
  promise.then(
    (value) => tell((waiter) => waiter.fulfilled(value)),
    (error) => tell((waiter) => waiter.rejected(error)),
  );
  return all;
}
