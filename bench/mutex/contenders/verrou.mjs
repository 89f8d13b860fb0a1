/** verrou with its memory store. Who waits polls, every 250 ms by default. */
import { Verrou } from '@verrou/core';
import { memoryStore } from '@verrou/core/drivers/memory';

const verrou = new Verrou({ default: 'memory', stores: { memory: { driver: memoryStore() } } });

export default {
  name: 'verrou, memory',
  async uncontended(keys, passes) {
    for (let pass = 0; pass < passes; pass++) {
      for (const key of keys) {
        const lock = verrou.createLock(key);
        await lock.acquire();
        await lock.release();
      }
    }
  },
  async write(key, work) {
    const lock = verrou.createLock(key);
    await lock.acquire();
    if (work) await work();
    await lock.release();
  },
  polls: true,
  async timeOut(key, ms) {
    if (!(await verrou.createLock(key).acquire({ retry: { timeout: ms } }))) throw new Error('timed out');
  },
  async hold(keys) {
    const locks = keys.map((key) => verrou.createLock(key));
    await Promise.all(locks.map((lock) => lock.acquire()));
    return locks;
  },
  wait: (key) => verrou.createLock(key).acquire(),
};
