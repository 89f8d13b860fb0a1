import type { HistoryEvent } from '../../src/testing/history.js';

/** The times of one hold, and what it was told. Without `told` it never came to be. */
export interface Page {
  hold: string;
  mode?: 'write' | 'read';
  asked: number;
  told?: number;
  until?: number;
  fence?: number;
  /** Extensions: when it was asked, when the answer came, until when it then believed. */
  extended?: [asked: number, told: number, until: number][];
  /** When it was told of its loss. */
  lost?: number;
  release?: { asked: number; told: number; answer: 'ok' | 'fail' | 'info' };
}

/** Writes out as events what is told of holds of one key. */
export function history(...pages: Page[]): HistoryEvent[] {
  return pages.flatMap(
    ({ hold, mode = 'write', asked, told, until, fence, extended = [], lost, release }) => {
      const event = (
        op: HistoryEvent['op'],
        type: HistoryEvent['type'],
        at: number,
        more = {},
      ): HistoryEvent => ({
        hold,
        key: 'k',
        mode,
        op,
        type,
        at,
        ...more,
      });
      const events = [event('acquire', 'invoke', asked)];
      const bound = until !== undefined && { until };
      if (told !== undefined)
        events.push(event('acquire', 'ok', told, { ...bound, ...(fence !== undefined && { fence }) }));
      for (const [at, answered, then] of extended) {
        events.push(event('extend', 'invoke', at), event('extend', 'ok', answered, { until: then }));
      }
      if (lost !== undefined) events.push(event('extend', 'fail', lost));
      if (release) {
        events.push(event('release', 'invoke', release.asked));
        events.push(event('release', release.answer, release.told));
      }
      return events;
    },
  );
}
