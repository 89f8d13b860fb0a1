import { onAbort } from './abort.js';
import type { Clock, Timer } from './clock.js';

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
      timer?.cancel();
      stopListening?.();
      settle();
    };
    promise.then(
      (value) => end(() => resolve(value)),
      (error) => end(() => reject(error)),
    );
    if (signal?.aborted) return reject(signal.reason);
    stopListening = signal && onAbort(signal, () => end(() => reject(signal.reason)));
    if (ms < Infinity) timer = clock.after(ms, () => end(() => resolve(undefined)));
  });
}
