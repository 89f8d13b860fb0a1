/** The bare limit, see {@link BareMutex}. */
import { BareMutex } from './bare-mutex.mjs';

const mutex = new BareMutex();

async function caller(key, work) {
  await mutex.lock(key);
  if (work) await work();
  mutex.unlock(key);
}

export default {
  name: 'bare limit',
  async uncontended(keys, passes) {
    for (let pass = 0; pass < passes; pass++) {
      for (const key of keys) {
        await mutex.lock(key);
        mutex.unlock(key);
      }
    }
  },
  read: caller,
  write: caller,
  hold: (keys) => Promise.all(keys.map((key) => mutex.lock(key))),
  wait: (key) => mutex.lock(key),
};
