import { checkHistory, type HistoryEvent, shrinkHistory, type ViolationKind } from 'latchkey/testing';
import type { Injected } from './faults.js';
import type { Note } from './journal.js';
import type { FencedResource } from './resource.js';

export type Grade = 'correctness' | 'efficiency';

/** Something that should not have happened. */
export interface Finding {
  readonly kind: string;
  readonly grade: Grade;
  /** The fault that may cause it; without one it is a defect. */
  readonly explanation: string | undefined;
  /** In words, or the least history that proves it. */
  readonly what: string;
}

const GRADES: Record<ViolationKind, Grade> = {
  overlap: 'efficiency',
  overtaken: 'efficiency',
  'false-release': 'efficiency',
  'false-denial': 'efficiency',
  // A hold that is handed on inside a process goes on with the fences of the first one. After a loss of data or a
  // fail-over that is the older one, and rightly refused: what the resource accepts is judged by itself.
  'fence-back': 'efficiency',
  'fence-repeated': 'correctness',
};

/** Judges what the workers wrote down, and what the resource saw. */
export function findings(
  events: readonly HistoryEvent[],
  notes: readonly Note[],
  resource: FencedResource,
  faults: readonly Injected[],
): Finding[] {
  const fromHistory = checkHistory(events).map((violation): Finding => {
    const { kind, key } = violation;
    const grade = GRADES[kind];
    const explanation = grade === 'efficiency' ? explain(violation.events, faults) : undefined;
    const holds = new Set(violation.events.map(({ hold }) => hold));
    const part = events.filter((event) => event.key === key && holds.has(event.hold));
    return { kind, grade, explanation, what: explanation ? key : print(part, faults) };
  });
  const refused = notes
    .filter(({ note }) => note === 'refused')
    .map(
      ({ sort, from, at, what, hold }): Finding => ({
        kind: `refused although surely held (${sort})`,
        grade: 'efficiency',
        explanation: explain([{ at: from! }, { at }], faults),
        what: `${hold} at ${what}, ${Math.round(at)}`,
      }),
    );
  const accepted = resource.violations.map(
    ({ kind, what }): Finding => ({ kind, grade: 'correctness', explanation: undefined, what }),
  );
  return [...accepted, ...fromHistory, ...refused];
}

/** A fault that lets a lock be held twice, between the asking for the first hold and the end of the matter. */
function explain(events: readonly { at: number }[], faults: readonly Injected[]): string | undefined {
  const from = Math.min(...events.map(({ at }) => at));
  const to = Math.max(...events.map(({ at }) => at));
  return faults.find(({ fault, ...injected }) => fault.explains && from <= injected.to && injected.from <= to)
    ?.fault.explains;
}

function print(events: readonly HistoryEvent[], faults: readonly Injected[]): string {
  const least = shrinkHistory(events);
  const start = Math.min(...least.map(({ at }) => at));
  const end = Math.max(...least.map(({ at }) => at));
  const ms = (at: number) => (at - start).toFixed(1).padStart(8);
  const lines = [...least]
    .sort((a, b) => a.at - b.at)
    .map(({ at, hold, mode, op, type, fence, until }) =>
      [
        ms(at),
        hold,
        mode,
        op,
        type,
        fence ?? '',
        until === undefined ? '' : `until ${ms(until).trim()}`,
      ].join(' '),
    );
  const around = faults
    .filter(({ from, to }) => from < end + 100 && to > start - 1_000)
    .map(({ fault, from, to }) => `${ms(from)} fault: ${fault.kind}, until ${ms(to).trim()}`);
  return [least[0]?.key, ...lines, ...around].join('\n    ');
}

/** How often one hold was asked for while the one before it lasted, and came after it. */
export function countHandOffs(events: readonly HistoryEvent[]): { holds: number; handOffs: number } {
  const holds = new Map<string, { key: string; asked: number; told?: number; released?: number }>();
  for (const { hold, key, op, type, at } of events) {
    const name = `${hold} ${key}`;
    const known = holds.get(name);
    if (op === 'acquire' && type === 'invoke') holds.set(name, { key, asked: at });
    else if (op === 'acquire' && type === 'ok' && known) known.told = at;
    else if (op === 'release' && type === 'invoke' && known) known.released = at;
  }
  const told = [...holds.values()]
    .filter((hold) => hold.told !== undefined)
    .sort((a, b) => a.told! - b.told!);
  const last = new Map<string, (typeof told)[number]>();
  let handOffs = 0;
  for (const hold of told) {
    const before = last.get(hold.key);
    if (before?.released && hold.asked < before.released && before.released <= hold.told!) handOffs++;
    last.set(hold.key, hold);
  }
  return { holds: told.length, handOffs };
}

// An answer may have been on its way when the fault began.
const ON_ITS_WAY_MS = 100;

/**
 * Those who waited only while Redis answered nobody, and were told that somebody else held the lock. That can be known
 * only where the holder was in their own process.
 */
export function outagesTold(
  events: readonly HistoryEvent[],
  timeouts: readonly Note[],
  injected: readonly Injected[],
): string[] {
  const down = injected.filter(({ fault }) => fault.down);
  const suspect = timeouts.filter(({ from, at }) =>
    down.some((fault) => fault.from + ON_ITS_WAY_MS <= from! && at <= fault.to - ON_ITS_WAY_MS),
  );
  const byHold = new Map<string, HistoryEvent[]>();
  for (const event of events) byHold.set(event.hold, [...(byHold.get(event.hold) ?? []), event]);
  const holds = [...byHold].map(([hold, own]) => ({ hold, ...maybeHeld(own) }));
  return suspect
    .filter(({ hold, from, at }) => {
      const { keys } = maybeHeld(byHold.get(hold!) ?? []);
      return !holds.some(
        (other) =>
          other.hold !== hold &&
          processOf(other.hold) === processOf(hold!) &&
          other.from <= at &&
          other.to >= from! &&
          other.keys.some((key) => keys.includes(key)),
      );
    })
    .map(({ hold, from, at }) => `${hold}, from ${Math.round(from!)} to ${Math.round(at)}`);
}

const processOf = (hold: string) => hold.split('.')[0];

/** What one hold may have held, and when: of several keys, one may be held while the next is awaited. */
function maybeHeld(own: readonly HistoryEvent[]): { keys: string[]; from: number; to: number } {
  const keys = [...new Set(own.map(({ key }) => key))];
  const began = own.find(({ type }) => type === (keys.length > 1 ? 'invoke' : 'ok'));
  const ended = own.find(({ op, type }) => op === 'release' && type !== 'invoke');
  const last = Math.max(...own.map(({ at, until = at }) => until));
  return { keys, from: began?.at ?? Infinity, to: ended?.at ?? last };
}
