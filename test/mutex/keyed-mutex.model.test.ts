import { test } from '@jest/globals';
import { KeyedMutex } from '../../src/mutex/keyed-mutex.js';
import { ALONE, obeysTheModel } from '../support/queue-model.js';

test('whatever is asked in whatever order, it does what a plain list of waiters would', async () => {
  await obeysTheModel(
    (clock) => {
      const mutex = new KeyedMutex<string>({ clock });
      return {
        enter: (key, limit, options) =>
          limit === ALONE ? mutex.lock(key, options) : mutex.rLock(key, options),
        tryEnter: (key, limit) => (limit === ALONE ? mutex.tryLock(key) : mutex.tryRLock(key)),
        leave: (key, limit) => (limit === ALONE ? mutex.unlock(key) : mutex.rUnlock(key)),
        waiting: (key) => mutex.waiting(key),
        isLocked: (key) => mutex.isLocked(key),
        remove: (key) => mutex.remove(key),
        clear: () => mutex.clear(),
        get size() {
          return mutex.size;
        },
      };
    },
    [ALONE, Infinity],
  );
});
