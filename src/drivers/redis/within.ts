import { type Clock, LOOK_MS, LOOKS } from '../../core/clock.js';

/**
 * The value, or undefined where it does not come within `ms`. After this process stood still, timers fire before what
 * came is read: so it has a moment more.
 */
export function within<T>(clock: Clock, ms: number, promise: Promise<T>): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const wait = (next: number, looks: number) =>
      clock.after(next, () => {
        if (looks === 0) resolve(undefined);
        else timer = wait(LOOK_MS, looks - 1);
      });
    let timer = wait(ms, LOOKS);
    promise.finally(() => timer.cancel()).then(resolve, reject);
  });
}
