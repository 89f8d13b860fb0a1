import { channel, type TracingChannelSubscribers, tracingChannel } from 'node:diagnostics_channel';
import {
  type Attributes,
  type MeterProvider,
  metrics,
  type Span,
  SpanStatusCode,
  type TracerProvider,
  trace,
} from '@opentelemetry/api';
import { LockError } from '../core/errors.js';
import type { LockTrace } from '../lease/diagnostics.js';
import { Instruments } from './instruments.js';

export interface InstrumentOptions {
  /** Default: the global one. */
  meterProvider?: MeterProvider | undefined;
  /** Default: the global one. */
  tracerProvider?: TracerProvider | undefined;
  /**
   * Makes the label `key` of a key. Give few different ones: each is a time series of its own. Default: no such label, for a
   * key may hold what is nobody's business.
   */
  keyLabel?: ((key: string) => string) | undefined;
}

interface Operation {
  readonly started: number;
  readonly span: Span;
}

const NAME = 'latchkey';

/**
 * Metrics and spans of all lockers of this process, from now on until the function that it returns is called: see
 * docs/operations.md for the list. Leases that are held already are not counted.
 */
export function instrumentLocks(options: InstrumentOptions = {}): () => void {
  const tracer = (options.tracerProvider ?? trace).getTracer(NAME);
  const instruments = new Instruments((options.meterProvider ?? metrics).getMeter(NAME));
  const labelsOf = ({ locker, mode, keys }: LockTrace): Attributes => ({
    locker,
    mode,
    ...(options.keyLabel && { key: keys.map(options.keyLabel).join() }),
  });

  const subscribe = (
    what: 'acquire' | 'extend' | 'release',
    began: (message: LockTrace, labels: Attributes) => void,
    ended: (message: LockTrace, labels: Attributes, ms: number) => string,
  ) => {
    const operations = new WeakMap<object, Operation>();
    const subscribers: Partial<TracingChannelSubscribers<LockTrace>> = {
      start(message) {
        const attributes = labelsOf(message);
        const span = tracer.startSpan(`latchkey ${what}`, { attributes });
        operations.set(message, { started: performance.now(), span });
        began(message, attributes);
      },
      asyncEnd(message) {
        const operation = operations.get(message);
        if (!operation) return;
        const { started, span } = operation;
        const { error } = message as { error?: unknown };
        const outcome = ended(message, labelsOf(message), performance.now() - started);
        span.setAttribute('outcome', outcome);
        if (message.fence !== undefined) span.setAttribute('fence', message.fence);
        if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: outcome });
        span.end();
      },
    };
    const tracing = tracingChannel<unknown, LockTrace>(`latchkey:${what}`);
    // Node's types ask for every subscriber, Node itself does not.
    tracing.subscribe(subscribers as TracingChannelSubscribers<LockTrace>);
    return () => void tracing.unsubscribe(subscribers as TracingChannelSubscribers<LockTrace>);
  };

  const onLost = (message: unknown) => {
    const told = message as LockTrace;
    instruments.lost(told, labelsOf(told), told.error?.reason ?? 'expired');
  };
  const undo = [
    subscribe(
      'acquire',
      (_, labels) => instruments.waits(labels),
      (message, labels, ms) => {
        const outcome = message.fence === undefined ? outcomeOf(message, 'not_obtained') : 'obtained';
        instruments.waited(message, labels, ms, outcome);
        return outcome;
      },
    ),
    subscribe(
      'extend',
      () => {},
      (message, labels) => {
        const outcome = outcomeOf(message, 'answered');
        instruments.extended(labels, outcome);
        return outcome;
      },
    ),
    subscribe(
      'release',
      () => {},
      (message, labels) => {
        const outcome = outcomeOf(message, 'released');
        instruments.ended(message, labels, outcome);
        return outcome;
      },
    ),
  ];
  const lost = channel('latchkey:lost');
  lost.subscribe(onLost);
  return () => {
    for (const stop of undo) stop();
    lost.unsubscribe(onLost);
  };
}

/** The code of the error, in lower case; `aborted` for what the caller's own signal ended. */
function outcomeOf(message: LockTrace, good: string): string {
  const { error } = message as { error?: unknown };
  if (error === undefined) return good;
  return error instanceof LockError ? error.code.toLowerCase() : 'aborted';
}
