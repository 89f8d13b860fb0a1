/**
 * The bare limit: what a keyed mutex costs when it can do nothing else. A map, a linked queue a key, and one shared
 * promise for who need not wait. No readers, time limits, signals or checks.
 */
const FREE = Promise.resolve();

export class BareMutex {
  #queues = new Map();

  lock(key) {
    const queue = this.#queues.get(key);
    if (queue === undefined) {
      this.#queues.set(key, { head: undefined, tail: undefined });
      return FREE;
    }
    return wait(queue);
  }

  unlock(key) {
    const queue = this.#queues.get(key);
    const waiter = queue.head;
    if (waiter === undefined) {
      this.#queues.delete(key);
      return;
    }
    queue.head = waiter.next;
    if (!waiter.next) queue.tail = undefined;
    waiter.resolve();
  }
}

// A function of its own, so that nothing is captured where nobody waits.
function wait(queue) {
  return new Promise((resolve) => {
    const waiter = { resolve, next: undefined };
    if (queue.tail) queue.tail.next = waiter;
    else queue.head = waiter;
    queue.tail = waiter;
  });
}
