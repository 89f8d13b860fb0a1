import { parentPort, workerData } from 'node:worker_threads';
import { type Clock, systemClock } from '../../core/clock.js';
import type { RenewingStore } from '../store.js';
import type { ThreadData, ToThread } from './messages.js';
import { RenewalLoop } from './renewal-loop.js';
import { SharedClock } from './shared-clock.js';

/** What a worker does that a driver starts for renewals. `open` makes its store of what the driver gave it. */
export async function serveRenewals(
  open: (of: unknown, clock: Clock) => Promise<RenewingStore>,
): Promise<void> {
  const { time, store } = workerData as ThreadData;
  const loop = new RenewalLoop(
    await open(store, systemClock),
    systemClock,
    new SharedClock(systemClock, time),
    (message) => parentPort!.postMessage(message),
  );
  parentPort!.on('message', (message: ToThread) => loop.receive(message));
}
