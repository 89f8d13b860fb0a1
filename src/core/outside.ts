import { AsyncResource } from 'node:async_hooks';

const root = new AsyncResource('Latchkey');

/**
 * Runs `fn` outside of the async context of its caller. A timer, a connection or a thread that many share keeps the context
 * in which it was made, and calls back in it.
 */
export function outside<T>(fn: () => T): T {
  return root.runInAsyncScope(fn);
}
