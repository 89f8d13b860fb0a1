import type { Worker, WorkerOptions } from 'node:worker_threads';

type StartWorker = (options: WorkerOptions) => Worker;

/** How a driver starts its thread. */
export type ThreadStart =
  | {
      /** What the thread opens its store by. */
      readonly store: unknown;
      /** Starts the driver's own worker, which calls `serveRenewals`. May throw. */
      readonly start: StartWorker;
    }
  /** Why it can have none. */
  | { readonly impossible: string };

/** A thread that opens its store by these options of `backend`, if they can be sent to one. */
export function threadStart(backend: string, store: object, start: StartWorker): ThreadStart {
  const bound = Object.entries(store).find(([, value]) => !isPlain(value));
  if (!bound) return { store, start };
  return {
    impossible: `the ${backend} option \`${bound[0]}\` holds what cannot be sent to a thread, a function perhaps`,
  };
}

function isPlain(value: unknown): boolean {
  try {
    structuredClone(value);
    return true;
  } catch {
    return false;
  }
}
