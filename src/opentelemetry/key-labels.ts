import type { Attributes } from '@opentelemetry/api';
import { LockUsageError } from '../core/errors.js';
import { messageOf } from '../text/message-of.js';

/**
 * Makes the label `key` of keys by the caller's function; none without one. If the function throws, there is no label: Node
 * would end the process, for an error in what listens to a diagnostics channel counts as uncaught.
 * @throws LockUsageError
 */
export function keyLabels(
  keyLabel: ((key: string) => string) | undefined,
): (keys: readonly string[]) => Attributes {
  if (keyLabel === undefined) return () => ({});
  if (typeof keyLabel !== 'function') throw new LockUsageError('keyLabel', keyLabel, 'a function');
  let warned = false;
  return (keys) => {
    try {
      return { key: keys.map((key) => keyLabel(key)).join() };
    } catch (error) {
      const what = `keyLabel failed, so the label is left out: ${messageOf(error)}`;
      if (!warned) process.emitWarning(what, { code: 'LATCHKEY_LABEL' });
      warned = true;
      return {};
    }
  };
}
