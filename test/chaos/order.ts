import type { HistoryEvent } from 'latchkey/testing';
import type { Injected } from './faults.js';

// How much earlier somebody must have asked to be before another: a machine that is busy may read two sockets in any order.
const MARGIN_MS = 250;
// For so long after a fault its victims may be without their places, and others get past them.
const RECOVERY_MS = 4_000;

interface Ask {
  readonly hold: string;
  readonly mode: HistoryEvent['mode'];
  readonly askedAt: number;
  /** Whether it asked for this key only: of several, the later ones are asked for later. */
  alone: boolean;
  answer?: HistoryEvent;
}

/** In the times without faults: how many pairs of one key were compared, and where the later one got it first. */
export function orderOf(
  events: readonly HistoryEvent[],
  faults: readonly Injected[],
): { compared: number; passed: string[] } {
  const passed: string[] = [];
  let compared = 0;
  for (const [key, asks] of asksByKey(events)) {
    asks.sort((a, b) => a.askedAt - b.askedAt);
    let first = 0;
    for (const later of asks) {
      const { answer } = later;
      if (answer?.type !== 'ok') continue;
      while (later.askedAt - asks[first]!.askedAt > 60_000) first++;
      for (let i = first; asks[i]!.askedAt < later.askedAt - MARGIN_MS; i++) {
        const earlier = asks[i]!;
        if (!earlier.alone || !earlier.answer || earlier.answer.at <= later.askedAt) continue;
        if (earlier.mode === 'read' && later.mode === 'read') continue;
        if (isDisturbed(earlier.askedAt, answer.at, faults)) continue;
        compared++;
        if (isBefore(answer, earlier.answer)) passed.push(`${key}: ${later.hold} before ${earlier.hold}`);
      }
    }
  }
  return { compared, passed };
}

/** Whether the first was surely granted while the other one waited. */
function isBefore(granted: HistoryEvent, other: HistoryEvent): boolean {
  if (other.type === 'ok' && granted.fence !== undefined) return granted.fence < other.fence!;
  return granted.at + MARGIN_MS < other.at;
}

function isDisturbed(from: number, to: number, faults: readonly Injected[]): boolean {
  return faults.some((fault) => fault.from <= to && from <= fault.to + RECOVERY_MS);
}

function asksByKey(events: readonly HistoryEvent[]): Map<string, Ask[]> {
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
    const ask: Ask = { hold, mode, askedAt: at, alone: true };
    known.set(key, ask);
    if (known.size > 1) for (const each of known.values()) each.alone = false;
    const asks = byKey.get(key);
    if (asks) asks.push(ask);
    else byKey.set(key, [ask]);
  }
  return byKey;
}
