import type { HistoryEvent } from 'latchkey/testing';
import type { Injected } from './faults.js';
import { countHandOffs, type Finding, outagesTold } from './findings.js';
import type { Note } from './journal.js';
import type { Leftovers } from './leftovers.js';
import { orderOf } from './order.js';
import type { FencedResource } from './resource.js';
import { countBy, table } from './table.js';

/** All that is known after a run. */
export interface Outcome {
  readonly events: readonly HistoryEvent[];
  readonly notes: readonly Note[];
  readonly injected: readonly Injected[];
  readonly missing: readonly string[];
  readonly findings: readonly Finding[];
  readonly resource: FencedResource;
  /** Workers that crashed, or did not end. */
  readonly crew: readonly string[];
  readonly leftovers: Leftovers;
}

/** Prints the tables; what it found that should not be, by the names of the rows. */
export function report(outcome: Outcome): string[] {
  const { events, notes, injected, missing, resource, leftovers, crew } = outcome;
  const faults = countBy(injected, ({ fault }) => fault.kind).sort(([a], [b]) => (a < b ? -1 : 1));
  console.log(
    table(['faults injected', 'times'], [...faults, ...missing.map((what) => [`not: ${what}`, 0] as const)]),
  );

  for (const { fault, trouble } of injected)
    if (trouble) console.log(`fault went wrong: ${fault.kind}: ${trouble}`);

  const { holds, handOffs } = countHandOffs(events);
  const { compared, passed } = orderOf(events, notes, injected);
  const of = (note: Note['note']) => notes.filter((each) => each.note === note);
  const bad = outcome.findings.filter(({ explanation }) => !explanation);
  const lingering = [...crew, ...of('lingering').map(({ what }) => `still open: ${what}`)];
  const verdicts: [string, string[]][] = [
    ['violations of the correctness grade', whats(bad.filter(({ grade }) => grade === 'correctness'))],
    [
      'violations of the efficiency grade, unexplained',
      whats(bad.filter(({ grade }) => grade === 'efficiency')),
    ],
    ['who asked later got it first, without a fault', passed],
    ['outages told as contention', outagesTold(events, of('timeout'), injected)],
    ['waits that overran their limit', whats(of('overrun'))],
    ['leaks: locks and inboxes left in the backend', leftovers.left],
    ['leaks: workers that did not end by themselves', lingering],
    ['locks out of reach after all faults', whats(of('stuck'))],
    ['unhandled rejections', whats(of('unhandled'))],
    ['process warnings', whats(of('warning').filter(({ what }) => !isOfIoredis(what)))],
    ['errors of an unexpected class', whats(of('error'))],
  ];
  console.log(
    table(
      ['what happened', 'times'],
      [
        ['events recorded', events.length],
        ['holds', holds],
        ['hand-offs to somebody who waited', handOffs],
        ['pairs whose order was judged', compared],
        ['terms of leaders', of('term').length],
        ['accesses the resource accepted', resource.accepted],
        ['stale accesses it refused', resource.refused],
        ['holds it saw overlapping', resource.overlapping.size],
        ['backend errors', of('count').length],
        ['timeouts', of('timeout').length],
        ...countBy(of('block'), ({ sort }) => `blocks of the event loop, renewal in ${sort}`),
        [
          'process warnings of ioredis about itself',
          of('warning').filter(({ what }) => isOfIoredis(what)).length,
        ],
        ['fences left in the backend', leftovers.idle],
        ['ms until all else was gone from it', Math.round(leftovers.waited)],
      ],
    ),
  );
  const rows = [
    ...countBy(
      outcome.findings,
      ({ kind, explanation }) => `${kind}: ${explanation ? `explained by ${explanation}` : 'not explained'}`,
    ),
    ...verdicts.map(([what, found]) => [what, found.length] as const),
  ];
  console.log(table(['what should not happen', 'times'], rows));
  for (const [what, found] of verdicts) {
    for (const text of found.slice(0, 5)) console.log(`${what}: ${text}\n`);
  }
  return verdicts.filter(([, found]) => found.length > 0).map(([what]) => what);
}

const whats = (found: readonly { kind?: string; what?: string }[]) =>
  found.map(({ kind, what }) => (kind ? `${kind}: ${what}` : `${what}`));

// Its subscriber in a Cluster adds a listener to one and the same socket at every attempt to connect.
const isOfIoredis = (what = '') => what.includes('MaxListeners') && what.includes('ioredis/built/cluster/');
