import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  AggregationTemporality,
  type Histogram,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import {
  AlwaysOffSampler,
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { type InstrumentOptions, instrumentLocks } from '../../src/opentelemetry/index.js';
import { Bed, down } from '../support/bed.js';
import { sleep, until } from '../support/wait.js';

let exporter: InMemoryMetricExporter;
let meterProvider: MeterProvider;
let spans: InMemorySpanExporter;
let tracerProvider: BasicTracerProvider;
let stop: () => void;

beforeEach(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  meterProvider = new MeterProvider({ readers: [reader] });
  spans = new InMemorySpanExporter();
  tracerProvider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] });
  stop = () => {};
});

afterEach(async () => {
  stop();
  await meterProvider.shutdown();
  context.disable();
});

function instrument(options: InstrumentOptions = {}): Bed {
  stop = instrumentLocks({ meterProvider, tracerProvider, ...options });
  return new Bed();
}

/** The points of a metric, by their labels. */
async function points(name: string): Promise<[object, unknown][]> {
  await meterProvider.forceFlush();
  const all =
    exporter
      .getMetrics()
      .at(-1)
      ?.scopeMetrics.flatMap((scope) => scope.metrics) ?? [];
  const metric = all.find(({ descriptor }) => descriptor.name === name);
  return (metric?.dataPoints ?? []).map(({ attributes, value }) => [attributes, value]);
}

const labels = { locker: 'default', mode: 'write' };

test('measures how long leases are awaited and held, in seconds', async () => {
  const { locker } = instrument();
  const lease = await locker.acquire('a');
  await sleep(200);
  expect(await points('latchkey.held')).toEqual([[labels, 1]]);
  await lease.release();
  expect(await locker.tryAcquire('a')).not.toBeNull();
  expect(await locker.tryAcquire('a')).toBeNull();
  const [[heldLabels, held]] = (await points('latchkey.hold')) as [[object, Histogram]];
  expect(heldLabels).toEqual({ ...labels, outcome: 'released' });
  expect(held.count).toBe(1);
  expect(held.sum).toBeGreaterThan(0.19);
  expect(held.sum).toBeLessThan(5);
  const waits = (await points('latchkey.wait')) as [{ outcome: string }, Histogram][];
  expect(waits.map(([{ outcome }, { count }]) => [outcome, count])).toEqual([
    ['obtained', 2],
    ['not_obtained', 1],
  ]);
  expect(await points('latchkey.held')).toEqual([[labels, 1]]);
});

test('counts who waits now', async () => {
  const { locker } = instrument();
  const lease = await locker.acquire('a');
  const waiting = [locker.acquire('a'), locker.acquire('a')];
  expect(await points('latchkey.waiting')).toEqual([[labels, 2]]);
  await lease.release();
  for (const next of waiting) await (await next).release();
  expect(await points('latchkey.waiting')).toEqual([[labels, 0]]);
  expect(await points('latchkey.held')).toEqual([[labels, 0]]);
});

test('counts leases lost by reason, and the holds that ended so', async () => {
  const { locker, clock } = instrument();
  const lease = await locker.acquire('a', { ttl: '1s' });
  await clock.advance(1_500);
  expect(lease.held).toBe(false);
  expect(await points('latchkey.lost')).toEqual([[{ ...labels, reason: 'expired' }, 1]]);
  expect((await points('latchkey.hold'))[0]![0]).toEqual({ ...labels, outcome: 'lost' });
  expect(await points('latchkey.held')).toEqual([[labels, 0]]);
});

test('spans of acquiring, extending and releasing are children of the span around them', async () => {
  const { locker } = instrument();
  const tracer = tracerProvider.getTracer('test');
  const root = tracer.startSpan('root');
  let fence = 0;
  await context.with(trace.setSpan(context.active(), root), async () => {
    const lease = await locker.acquire('secret');
    ({ fence } = lease);
    await lease.refresh();
    await lease.release();
  });
  const seen = spans.getFinishedSpans();
  expect(seen.map(({ name }) => name)).toEqual(['latchkey acquire', 'latchkey extend', 'latchkey release']);
  expect(seen.map(({ attributes }) => attributes.outcome)).toEqual(['obtained', 'answered', 'released']);
  for (const { parentSpanContext, attributes } of seen) {
    expect(parentSpanContext?.spanId).toBe(root.spanContext().spanId);
    expect(attributes).toMatchObject({ ...labels, fence });
  }
  const exported = JSON.stringify([seen.map(({ attributes }) => attributes), await points('latchkey.wait')]);
  expect(exported).not.toContain('secret');
});

test('counts automatic renewals by outcome, beside those that are asked for', async () => {
  const { locker, clock, instead } = instrument();
  const lease = await locker.acquire('a', { ttl: 900, autoRenew: true });
  await clock.advance(700);
  await lease.refresh();
  expect(await points('latchkey.renewals')).toEqual([[{ ...labels, outcome: 'renewed' }, 2]]);
  expect(await points('latchkey.extensions')).toEqual([[{ ...labels, outcome: 'answered' }, 1]]);
  instead.extend = down;
  await clock.advance(350);
  const [, [failed, count]] = (await points('latchkey.renewals')) as [unknown, [object, number]];
  expect(failed).toEqual({ ...labels, outcome: 'failed' });
  expect(count).toBeGreaterThan(0);
  expect(count).toBeLessThan(10);
});

/** The contexts that a span is linked to, with what they are to it. */
const linked = (name: string) =>
  spans
    .getFinishedSpans()
    .filter((span) => span.name === name)
    .map(({ links }) => links.map(({ context, attributes }) => [context.spanId, attributes]));

const idsOf = (name: string) =>
  spans
    .getFinishedSpans()
    .filter((span) => span.name === name)
    .map((span) => span.spanContext().spanId);

test('the span of who waits is linked to that of who holds, which its metadata carries', async () => {
  const bed = instrument();
  const { locker } = bed;
  const first = await locker.acquire('a');
  const [holder] = idsOf('latchkey acquire');
  expect(first.meta.traceparent).toMatch(new RegExp(`^00-[0-9a-f]{32}-${holder}-01$`));
  const inspected = jest.fn((key: string) => bed.memory.inspect(key));
  bed.instead.inspect = inspected;
  const next = locker.acquire('a');
  await until(() => inspected.mock.calls.length > 0);
  await first.release();
  await (await next).release();
  expect(linked('latchkey acquire')).toEqual([[], [[holder, { 'latchkey.link': 'holder' }]]]);
  // Once, however long it waits.
  expect(inspected.mock.calls).toEqual([['lock:{a}']]);
});

test('extending and releasing are linked to the acquisition', async () => {
  const { locker } = instrument();
  const lease = await locker.acquire('a');
  await lease.refresh();
  await lease.release();
  const own = [[idsOf('latchkey acquire')[0], { 'latchkey.link': 'acquire' }]];
  expect(linked('latchkey extend')).toEqual([own]);
  expect(linked('latchkey release')).toEqual([own]);
});

test('without links, and where a span is not recorded, nothing is added to the metadata', async () => {
  const bed = instrument({ links: false });
  expect((await bed.locker.acquire('a')).meta).not.toHaveProperty('traceparent');
  stop();
  tracerProvider = new BasicTracerProvider({ sampler: new AlwaysOffSampler() });
  expect((await instrument().locker.acquire('a')).meta).not.toHaveProperty('traceparent');
});

test('metadata of others that is no span links to nothing, nor does a backend that fails', async () => {
  const bed = instrument();
  const { locker } = bed;
  const first = await locker.acquire('a', { meta: { traceparent: '00-0-0-0' } });
  for (const meta of [{ traceparent: 'x' }, { traceparent: `00-${'0'.repeat(32)}-${'0'.repeat(16)}-01` }]) {
    const holder = { fence: 1, ttl: 1, since: 1, meta };
    bed.instead.inspect = async (key) => ({ key, mode: 'write', waiters: 1, holders: [holder], waiting: [] });
    const next = locker.acquire('a', { wait: 'forever', signal: AbortSignal.timeout(250) });
    await expect(next).rejects.toThrow();
  }
  bed.instead.inspect = () => Promise.reject(new Error('gone'));
  await expect(locker.acquire('a', { signal: AbortSignal.timeout(250) })).rejects.toThrow();
  await first.release();
  expect(linked('latchkey acquire')).toEqual([[], [], [], []]);
});

test('revoking has a span of its own', async () => {
  const bed = instrument();
  const { fence } = await bed.locker.acquire('secret');
  expect(await bed.locker.revoke('secret', fence + 1)).toBe(false);
  expect(await bed.locker.revoke('secret', fence)).toBe(true);
  bed.instead.revoke = () => Promise.reject(new Error('gone'));
  await expect(bed.locker.revoke('secret', fence)).rejects.toThrow();
  const seen = spans.getFinishedSpans().filter(({ name }) => name === 'latchkey revoke');
  expect(seen.map(({ attributes }) => attributes)).toEqual([
    { locker: 'default', fence: fence + 1, outcome: 'not_held' },
    { locker: 'default', fence, outcome: 'revoked' },
    { locker: 'default', fence, outcome: 'lock_backend' },
  ]);
  expect(seen.map(({ status }) => status.code)).toEqual([0, 0, 2]);
  expect(await points('latchkey.lost')).toEqual([[{ ...labels, reason: 'revoked' }, 1]]);
});

test('a backend that fails is an outcome of its own', async () => {
  const bed = instrument();
  bed.instead.acquire = () => Promise.reject(new Error('gone'));
  await expect(bed.locker.acquire('a')).rejects.toMatchObject({ code: 'LOCK_BACKEND' });
  expect((await points('latchkey.wait'))[0]![0]).toEqual({ ...labels, outcome: 'lock_backend' });
  expect(spans.getFinishedSpans()[0]!.status.code).toBe(2);
});

test('a key is a label only as the function given makes it', async () => {
  const { locker } = instrument({ keyLabel: (key) => key.split(':')[0]! });
  await (await locker.acquire('order:7')).release();
  expect((await points('latchkey.hold'))[0]![0]).toEqual({ ...labels, key: 'order', outcome: 'released' });
});

test('a label that cannot be made is left out, and told once', async () => {
  const warnings = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
  const { locker } = instrument({
    keyLabel: () => {
      throw new Error('no colon');
    },
  });
  for (let i = 0; i < 2; i++) await (await locker.acquire('order')).release();
  expect((await points('latchkey.hold'))[0]![0]).toEqual({ ...labels, outcome: 'released' });
  expect(warnings.mock.calls).toEqual([
    ['keyLabel failed, so the label is left out: no colon', { code: 'LATCHKEY_LABEL' }],
  ]);
  warnings.mockRestore();
  expect(() => instrumentLocks({ keyLabel: 'order' as never })).toThrow(
    expect.objectContaining({ code: 'LOCK_USAGE', option: 'keyLabel' }),
  );
});

const fails = () => {
  throw new Error('no telemetry today');
};
const processor = { onStart() {}, onEnd() {}, async forceFlush() {}, async shutdown() {} };
const addsNoLinks = {
  onStart: (span: object) => void Object.assign(span, { addLinks: fails }),
};

test.each<[string, () => BasicTracerProvider]>([
  ['a sampler', () => new BasicTracerProvider({ sampler: { shouldSample: fails, toString: () => 'none' } })],
  [
    'the start of a span',
    () => new BasicTracerProvider({ spanProcessors: [{ ...processor, onStart: fails }] }),
  ],
  ['the end of a span', () => new BasicTracerProvider({ spanProcessors: [{ ...processor, onEnd: fails }] })],
  ['a link', () => new BasicTracerProvider({ spanProcessors: [{ ...processor, ...addsNoLinks }] })],
])('telemetry that fails harms no lock and no process, and is told once: %s', async (_, make) => {
  const warnings = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
  const faults: unknown[] = [];
  const note = (fault: unknown) => void faults.push(fault);
  process.on('uncaughtException', note).on('unhandledRejection', note);
  try {
    const { locker } = instrument({ tracerProvider: make() });
    const lease = await locker.acquire('a');
    const waiting = locker.acquire('a');
    await sleep(200);
    expect(await lease.extend(1)).toBe(true);
    expect(await lease.release()).toBe(true);
    const next = await waiting;
    expect(await locker.revoke('a', next.fence)).toBe(true);
    await until(() => !next.held);
    await sleep(10);
    expect(faults).toEqual([]);
    expect(warnings.mock.calls).toEqual([
      [
        'OpenTelemetry failed, so metrics or spans of locks are missing: no telemetry today',
        { code: 'LATCHKEY_TELEMETRY' },
      ],
    ]);
  } finally {
    process.off('uncaughtException', note).off('unhandledRejection', note);
    warnings.mockRestore();
  }
});

test.each<[string, unknown]>([
  ['an object without a prototype', Object.create(null)],
  ['a symbol', Symbol('s')],
  ['what cannot be made text', { toString: fails }],
])('whatever telemetry throws ends no process, and is told once: %s', async (_, thrown) => {
  const warnings = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
  const faults: unknown[] = [];
  const note = (fault: unknown) => void faults.push(fault);
  process.on('uncaughtException', note).on('unhandledRejection', note);
  const throws = () => {
    throw thrown;
  };
  try {
    const sampler = { shouldSample: throws, toString: () => 'none' };
    const { locker } = instrument({
      tracerProvider: new BasicTracerProvider({ sampler }),
      keyLabel: throws,
    });
    await (await locker.acquire('a')).release();
    await sleep(10);
    expect(faults).toEqual([]);
    const codes = warnings.mock.calls.map(([, options]) => (options as { code: string }).code);
    expect(codes.sort()).toEqual(['LATCHKEY_LABEL', 'LATCHKEY_TELEMETRY']);
    expect((await points('latchkey.held'))[0]).toEqual([labels, 0]);
  } finally {
    process.off('uncaughtException', note).off('unhandledRejection', note);
    warnings.mockRestore();
  }
});

test('spans that fail are missing in no metric', async () => {
  const warnings = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
  let failing = false;
  const sampler = { shouldSample: () => (failing ? fails() : { decision: 2 }), toString: () => 'some' };
  const { locker } = instrument({ tracerProvider: new BasicTracerProvider({ sampler }) });
  const lease = await locker.acquire('a');
  failing = true;
  await lease.release();
  const next = await locker.acquire('a');
  expect(await points('latchkey.held')).toEqual([[labels, 1]]);
  failing = false;
  await next.release();
  const waits = (await points('latchkey.wait')) as [object, Histogram][];
  expect(waits.map(([, { count }]) => count)).toEqual([2]);
  const holds = (await points('latchkey.hold')) as [object, Histogram][];
  expect(holds.map(([, { count }]) => count)).toEqual([2]);
  for (const now of ['latchkey.waiting', 'latchkey.held']) expect(await points(now)).toEqual([[labels, 0]]);
  warnings.mockRestore();
});

test('an unknown option is refused', () => {
  expect(() => instrumentLocks({ keyLable: () => 'k' } as object)).toThrow(
    expect.objectContaining({ code: 'LOCK_USAGE', message: expect.stringContaining('`keyLabel`') }),
  );
});

test('counts nobody as waiting or holding once it is stopped', async () => {
  const { locker } = instrument();
  const lease = await locker.acquire('a');
  const waiting = locker.acquire('a');
  expect([await points('latchkey.held'), await points('latchkey.waiting')]).toEqual([
    [[labels, 1]],
    [[labels, 1]],
  ]);
  stop();
  for (let twice = 0; twice < 2; twice++) {
    stop();
    for (const now of ['latchkey.waiting', 'latchkey.held']) expect(await points(now)).toEqual([[labels, 0]]);
    await lease.release();
    await (await waiting).release();
  }
});

test('who waited under a label is counted down under that label, whatever the function says then', async () => {
  let label = 0;
  const { locker } = instrument({ keyLabel: () => `${++label}` });
  await (await locker.acquire('a')).release();
  for (const now of ['latchkey.waiting', 'latchkey.held'])
    expect((await points(now)).map(([, count]) => count)).toEqual([0]);
});

test('measures nothing any more once it is stopped', async () => {
  const { locker } = instrument();
  stop();
  await (await locker.acquire('a')).release();
  expect(await points('latchkey.wait')).toEqual([]);
  expect(spans.getFinishedSpans()).toEqual([]);
});
