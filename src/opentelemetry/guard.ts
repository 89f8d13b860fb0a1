import { messageOf } from '../text/message-of.js';

/** Makes of a function one that never throws. */
export type Guard = <Args extends unknown[]>(fn: (...args: Args) => unknown) => (...args: Args) => void;

/**
 * What a provider of telemetry throws or rejects with is one process warning: Node would end the process, for an error in
 * what listens to a diagnostics channel counts as uncaught.
 */
export function guard(): Guard {
  let warned = false;
  const warn = (error: unknown) => {
    if (warned) return;
    warned = true;
    const what = `OpenTelemetry failed, so metrics or spans of locks are missing: ${messageOf(error)}`;
    process.emitWarning(what, { code: 'LATCHKEY_TELEMETRY' });
  };
  return (fn) =>
    (...args) => {
      try {
        const result = fn(...args);
        if (result instanceof Promise) result.catch(warn);
      } catch (error) {
        warn(error);
      }
    };
}
