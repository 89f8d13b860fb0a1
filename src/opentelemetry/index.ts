import { channel, type TracingChannelSubscribers, tracingChannel } from 'node:diagnostics_channel';
import {
  type Attributes,
  type MeterProvider,
  metrics,
  type Span,
  SpanStatusCode,
  type Tracer,
  type TracerProvider,
  trace,
} from '@opentelemetry/api';
import { checkNames } from '../core/check.js';
import { LockError, LockUsageError } from '../core/errors.js';
import type { LockTrace, RevokeTrace } from '../lease/diagnostics.js';
import { type Guard, guard } from './guard.js';
import { Instruments } from './instruments.js';
import { keyLabels } from './key-labels.js';
import { linksOf, linkToHolders, writeSpan } from './links.js';

export interface InstrumentOptions {
  /** Default: the global one. */
  meterProvider?: MeterProvider | undefined;
  /** Default: the global one. */
  tracerProvider?: TracerProvider | undefined;
  /**
   * Returns the label `key` for a key. Return only few different labels, because each one is a separate time series.
   * Default: no such label, since a key may contain private data. If it throws, there is no label either, and once the
   * process warning `LATCHKEY_LABEL`.
   */
  keyLabel?: ((key: string) => string) | undefined;
  /**
   * Links the span of an acquisition that waits for 100 ms to the spans of the present holders, and the spans of
   * `extend` and `release` to that of the acquisition. Each recorded span writes its id into the metadata of its lease,
   * as `traceparent`. An acquisition that waits for 100 ms inspects its keys once. Default true.
   */
  links?: boolean | undefined;
}

interface Operation {
  readonly started: number;
  /** Undefined where its start failed. */
  span?: Span;
  /** Of an acquisition that waits. */
  lookAtHolders?: NodeJS.Timeout;
}

const NAME = 'latchkey';
// An acquisition that takes so long waits for somebody.
const WAITS_MS = 100;

/**
 * Records metrics and spans of all lockers of this process, until you call the function that it returns. What waits or is
 * held then counts no more. docs/operations.md lists them. Leases that are already held are not counted. An error of a
 * provider harms no lock: it is one process warning, `LATCHKEY_TELEMETRY`.
 * @throws LockUsageError for an unknown option, a `keyLabel` that is no function, and `links` that is no boolean.
 */
export function instrumentLocks(options: InstrumentOptions = {}): () => void {
  checkNames(options, ['meterProvider', 'tracerProvider', 'keyLabel', 'links']);
  const { links = true } = options;
  if (typeof links !== 'boolean') throw new LockUsageError('links', links, 'a boolean');
  const tracer = (options.tracerProvider ?? trace).getTracer(NAME);
  const instruments = new Instruments((options.meterProvider ?? metrics).getMeter(NAME));
  const keyLabel = keyLabels(options.keyLabel);
  const guarded = guard();
  const labelsOf = ({ locker, mode, keys }: LockTrace): Attributes => ({ locker, mode, ...keyLabel(keys) });

  const subscribe = (
    what: 'acquire' | 'extend' | 'release',
    began: (message: LockTrace, labels: Attributes) => void,
    ended: (message: LockTrace, labels: Attributes, ms: number) => string,
  ) => {
    const operations = new WeakMap<object, Operation>();
    const acquires = what === 'acquire';
    return listen<LockTrace>(what, guarded, {
      start(message) {
        const attributes = labelsOf(message);
        const operation: Operation = { started: performance.now() };
        operations.set(message, operation);
        // The start of the span may fail. What is counted here must still be counted as ended.
        began(message, attributes);
        const own = links && !acquires ? linksOf(message.meta, 'acquire') : [];
        const span = tracer.startSpan(`latchkey ${what}`, { attributes, links: own });
        operation.span = span;
        if (!links || !acquires || !span.isRecording()) return;
        writeSpan(message.meta, span);
        operation.lookAtHolders = setTimeout(guarded(linkToHolders), WAITS_MS, span, message).unref();
      },
      asyncEnd(message) {
        const operation = operations.get(message);
        if (!operation) return;
        const { started, span, lookAtHolders } = operation;
        clearTimeout(lookAtHolders);
        const outcome = ended(message, labelsOf(message), performance.now() - started);
        if (!span) return;
        if (message.fence !== undefined) span.setAttribute('fence', message.fence);
        end(span, outcome, message);
      },
    });
  };

  const onLost = (message: unknown) => {
    const told = message as LockTrace;
    instruments.lost(told, labelsOf(told), told.error?.reason ?? 'expired');
  };
  const onRenewal = (message: unknown) => {
    const told = message as LockTrace;
    instruments.renewed(labelsOf(told), told.outcome!);
  };
  const undo = [
    subscribe(
      'acquire',
      (message, labels) => instruments.waits(message, labels),
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
    traceRevocations(tracer, keyLabel, guarded),
    listenTo('latchkey:lost', guarded(onLost)),
    listenTo('latchkey:renewal', guarded(onRenewal)),
  ];
  return () => {
    for (const stop of undo) stop();
    guarded(() => instruments.stop())();
  };
}

/** Spans where somebody revokes a hold. */
function traceRevocations(
  tracer: Tracer,
  keyLabel: ReturnType<typeof keyLabels>,
  guarded: Guard,
): () => void {
  const spans = new WeakMap<object, Span>();
  return listen<RevokeTrace>('revoke', guarded, {
    start(message) {
      const { locker, key, fence } = message;
      const attributes = { locker, fence, ...keyLabel([key]) };
      spans.set(message, tracer.startSpan('latchkey revoke', { attributes }));
    },
    asyncEnd(message) {
      const span = spans.get(message);
      if (span) end(span, outcomeOf(message, message.result ? 'revoked' : 'not_held'), message);
    },
  });
}

function end(span: Span, outcome: string, message: object): void {
  span.setAttribute('outcome', outcome);
  if ((message as { error?: unknown }).error !== undefined)
    span.setStatus({ code: SpanStatusCode.ERROR, message: outcome });
  span.end();
}

function listen<Message extends object>(
  what: string,
  guarded: Guard,
  { start, asyncEnd }: Pick<TracingChannelSubscribers<Message>, 'start' | 'asyncEnd'>,
): () => void {
  const tracing = tracingChannel<unknown, Message>(`latchkey:${what}`);
  const subscribers = { start: guarded(start), asyncEnd: guarded(asyncEnd) };
  // Node's types ask for every subscriber, Node itself does not.
  tracing.subscribe(subscribers as TracingChannelSubscribers<Message>);
  return () => void tracing.unsubscribe(subscribers as TracingChannelSubscribers<Message>);
}

function listenTo(name: string, listener: (message: unknown) => void): () => void {
  const told = channel(name);
  told.subscribe(listener);
  return () => void told.unsubscribe(listener);
}

/** The code of the error, in lower case; `aborted` for what the caller's own signal ended. */
function outcomeOf(message: object, good: string): string {
  const { error } = message as { error?: unknown };
  if (error === undefined) return good;
  return error instanceof LockError ? error.code.toLowerCase() : 'aborted';
}
