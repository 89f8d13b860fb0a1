import { isSpanContextValid, type Link, type Span, type SpanContext, TraceFlags } from '@opentelemetry/api';
import type { LockTrace } from '../lease/diagnostics.js';

type Meta = Readonly<Record<string, string>>;

// As W3C Trace Context writes it: version, trace, span, flags.
const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;
// A key may have thousands of readers.
const MOST = 16;

/** Writes a span into the metadata of a lease, so that others can link to it. */
export function writeSpan(meta: Record<string, string>, span: Span): void {
  const { traceId, spanId, traceFlags } = span.spanContext();
  if (!span.isRecording() || !isSpanContextValid(span.spanContext())) return;
  const flags = (traceFlags & TraceFlags.SAMPLED).toString(16).padStart(2, '0');
  meta.traceparent = `00-${traceId}-${spanId}-${flags}`;
}

/** A link to the span that metadata carries. */
export function linksOf(meta: Meta | undefined, relation: 'acquire' | 'holder'): Link[] {
  const context = readSpan(meta ?? {});
  return context ? [{ context, attributes: { 'latchkey.link': relation } }] : [];
}

function readSpan({ traceparent = '' }: Meta): SpanContext | undefined {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(traceparent) ?? [];
  if (traceId === undefined) return undefined;
  const context = { traceId, spanId: spanId!, traceFlags: Number.parseInt(flags!, 16), isRemote: true };
  return isSpanContextValid(context) ? context : undefined;
}

/** Links a span to those of who holds the keys now. */
export async function linkToHolders(span: Span, { holders }: LockTrace): Promise<void> {
  if (!holders || !span.isRecording()) return;
  // That it cannot be told who holds them is no failure.
  const all = await holders().catch(() => []);
  const links = all.slice(0, MOST).flatMap(({ meta }) => linksOf(meta, 'holder'));
  const own = span.spanContext().spanId;
  if (span.isRecording()) span.addLinks(links.filter(({ context }) => context.spanId !== own));
}
