/** async-lock. It locks around a function; `maxPending` is raised where more than its 1,000 wait. */
import AsyncLock from 'async-lock';

const lock = new AsyncLock({ maxPending: Number.POSITIVE_INFINITY });
const nothing = () => {};
const forever = () => new Promise(nothing);
const caller = (key, work = nothing) => lock.acquire(key, work);

export default {
  name: 'async-lock',
  async uncontended(keys, passes) {
    for (let pass = 0; pass < passes; pass++) {
      for (const key of keys) await lock.acquire(key, nothing);
    }
  },
  read: caller,
  write: caller,
  timeOut: (key, ms) => lock.acquire(key, nothing, { timeout: ms }),
  async hold(keys) {
    return keys.map((key) => lock.acquire(key, forever));
  },
  wait: (key) => lock.acquire(key, nothing),
};
