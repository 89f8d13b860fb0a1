import { constants } from 'node:os';
import { messageOf } from '../text/message-of.js';

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/**
 * Has SIGTERM and SIGINT call `stop`, once, and then end the process as they would have; further ones are ignored
 * meanwhile. A `stop` that fails is a warning of the process, which ends with exit code 1 then. If others listen for the
 * signal, the process is theirs to end. The function returned takes the listeners off again.
 */
export function stopOnSignals(stop: () => Promise<void>): () => void {
  let stopping = false;
  const unlisten = () => {
    for (const signal of SIGNALS) process.off(signal, onSignal);
  };
  const onSignal = async (signal: NodeJS.Signals) => {
    if (stopping) return;
    stopping = true;
    try {
      await stop();
    } catch (error) {
      process.exitCode = 1;
      process.emitWarning(error instanceof Error ? error : messageOf(error));
      // A warning is printed a turn later.
      await new Promise((resolve) => setImmediate(resolve));
    }
    unlisten();
    if (process.listenerCount(signal) > 0) return;
    if (process.exitCode) process.exit();
    process.kill(process.pid, signal);
    // The first process of a container has no default for a signal, and lives on.
    process.exit(128 + constants.signals[signal]);
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return unlisten;
}
