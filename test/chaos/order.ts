import type { HistoryEvent } from 'latchkey/testing';
import type { Injected } from './faults.js';
import type { Note } from './journal.js';

// For so long after a fault its victims may be without their places, and others get past them.
const RECOVERY_MS = 4_000;

interface Ask {
  readonly hold: string;
  readonly mode: HistoryEvent['mode'];
  readonly askedAt: number;
  /** Its place was seen in the backend. */
  readonly placed: Note | undefined;
  /** Whether it asked for this key only: of several, the later ones are asked for later. */
  alone: boolean;
  answer?: HistoryEvent;
}

/**
 * In the times without faults: how many pairs of one key were compared, and where the later one got it first. One is later
 * than another only if it was asked for after the other one's place had been seen in the backend: a process that is starved
 * may send a claim long after it was made.
 */
export function orderOf(
  events: readonly HistoryEvent[],
  notes: readonly Note[],
  faults: readonly Injected[],
): { compared: number; passed: string[] } {
  const passed: string[] = [];
  let compared = 0;
  for (const [key, asks] of asksByKey(events, notes)) {
    asks.sort((a, b) => a.askedAt - b.askedAt);
    let first = 0;
    for (const later of asks) {
      const { answer } = later;
      if (answer?.type !== 'ok') continue;
      while (later.askedAt - asks[first]!.askedAt > 60_000) first++;
      for (let i = first; asks[i]!.askedAt < later.askedAt; i++) {
        const earlier = asks[i]!;
        if (!earlier.placed || earlier.placed.at >= later.askedAt) continue;
        if (!earlier.alone || !earlier.answer || earlier.answer.at <= later.askedAt) continue;
        if (earlier.mode === 'read' && later.mode === 'read') continue;
        if (isDisturbed(earlier.askedAt, answer.at, faults)) continue;
        const wrong = isBefore(answer, earlier.answer, earlier.placed);
        if (wrong === undefined) continue;
        compared++;
        if (wrong) passed.push(`${key}: ${later.hold} before ${earlier.hold}`);
      }
    }
  }
  return { compared, passed };
}

/** Whether the first was surely granted while the other one waited; undefined where nobody knows how long that was. */
function isBefore(granted: HistoryEvent, other: HistoryEvent, placed: Note): boolean | undefined {
  if (other.type === 'ok' && granted.fence !== undefined) return granted.fence < other.fence!;
  return other.type === 'info' ? undefined : granted.at < Math.min(placed.until!, other.at);
}

function isDisturbed(from: number, to: number, faults: readonly Injected[]): boolean {
  return faults.some((fault) => fault.from <= to && from <= fault.to + RECOVERY_MS);
}

function asksByKey(events: readonly HistoryEvent[], notes: readonly Note[]): Map<string, Ask[]> {
  const placed = new Map(notes.flatMap((each) => (each.note === 'placed' ? [[each.hold, each]] : [])));
  const byHold = new Map<string, Map<string, Ask>>();
  const byKey = new Map<string, Ask[]>();
  for (const event of [...events].sort((a, b) => a.at - b.at)) {
    const { op, type, hold, key, mode, at } = event;
    if (op !== 'acquire') continue;
    const known = byHold.get(hold) ?? new Map<string, Ask>();
    byHold.set(hold, known);
    if (type !== 'invoke') {
      const ask = known.get(key);
      if (ask) ask.answer = event;
      continue;
    }
    const ask: Ask = { hold, mode, askedAt: at, placed: placed.get(hold), alone: true };
    known.set(key, ask);
    if (known.size > 1) for (const each of known.values()) each.alone = false;
    const asks = byKey.get(key);
    if (asks) asks.push(ask);
    else byKey.set(key, [ask]);
  }
  return byKey;
}
