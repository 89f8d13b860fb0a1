import { test } from '@jest/globals';
import { KeyedSemaphore } from '../../src/mutex/keyed-semaphore.js';
import { obeysTheModel } from '../support/queue-model.js';

test('whatever is asked in whatever order, with limits that change, it does what a plain list of waiters would', async () => {
  await obeysTheModel(
    (clock) => {
      let now = 1;
      const semaphore = new KeyedSemaphore<string>(() => now, { clock });
      const withLimit = <T>(limit: number, call: () => T): T => {
        now = limit;
        return call();
      };
      return {
        enter: (key, limit, options) => withLimit(limit, () => semaphore.lock(key, options)),
        tryEnter: (key, limit) => withLimit(limit, () => semaphore.tryLock(key)),
        leave: (key) => semaphore.unlock(key),
        waiting: (key) => semaphore.waiting(key),
        isLocked: (key) => semaphore.isLocked(key),
        remove: (key) => semaphore.remove(key),
        clear: () => semaphore.clear(),
        get size() {
          return semaphore.size;
        },
      };
    },
    [1, 2, 3, Infinity],
  );
});
