import { test } from '@jest/globals';
import { KeyedQueue } from '../../src/mutex/keyed-queue.js';
import { EVERYONE, EXCLUSIVE } from '../../src/mutex/wait-queue.js';
import { ALONE, obeysTheModel } from '../support/queue-model.js';

const limitOf = (limit: number) => (limit === ALONE ? EXCLUSIVE : Math.min(limit, EVERYONE));

test('exclusive ones and such of any limit share one queue, in order', async () => {
  await obeysTheModel(
    (clock) => {
      const queue = new KeyedQueue<string>(clock);
      return {
        enter: (key, limit, options) => queue.enter(key, limitOf(limit), options),
        tryEnter: (key, limit) => queue.tryEnter(key, limitOf(limit)),
        leave: (key, limit) => queue.leave(key, limit === ALONE),
        waiting: (key) => queue.waiting(key),
        isLocked: (key) => queue.has(key),
        remove: (key) => !queue.has(key),
        clear: () => {},
        get size() {
          return queue.size;
        },
      };
    },
    [ALONE, 1, 2, 3, Infinity],
  );
});
