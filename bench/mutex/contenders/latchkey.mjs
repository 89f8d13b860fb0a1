/** Latchkey's KeyedMutex. */
import { KeyedMutex } from '../../lib/latchkey.mjs';

const mutex = new KeyedMutex();

export default {
  name: 'latchkey',
  async uncontended(keys, passes) {
    for (let pass = 0; pass < passes; pass++) {
      for (const key of keys) {
        await mutex.lock(key);
        mutex.unlock(key);
      }
    }
  },
  async read(key, work) {
    await mutex.rLock(key);
    await work();
    mutex.rUnlock(key);
  },
  async write(key, work) {
    await mutex.lock(key);
    if (work) await work();
    mutex.unlock(key);
  },
  timeOut: (key, ms) => mutex.lock(key, { wait: ms }),
  hold: (keys) => Promise.all(keys.map((key) => mutex.lock(key))),
  wait: (key) => mutex.lock(key),
};
