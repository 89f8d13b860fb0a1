import { closeSync, createReadStream, openSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { HistoryEvent } from 'latchkey/testing';

/** Something a worker saw that is no event of a lock. Times are of `historyNow`. */
export interface Note {
  readonly note:
    | 'overrun'
    | 'timeout'
    | 'term'
    | 'refused'
    | 'error'
    | 'unhandled'
    | 'warning'
    | 'stuck'
    | 'lingering'
    | 'block'
    | 'count'
    | 'placed';
  readonly at: number;
  readonly from?: number;
  readonly until?: number;
  /** A short name to count by, where there are several sorts. */
  readonly sort?: string;
  readonly what?: string;
  readonly hold?: string;
}

/** What one worker writes down, line by line, at once: SIGKILL loses none of it. */
export class Journal {
  readonly #file: number;

  constructor(path: string) {
    this.#file = openSync(path, 'a');
  }

  write(line: HistoryEvent | Note): void {
    writeSync(this.#file, `${JSON.stringify(line)}\n`);
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** Reads journals back. */
export async function readJournals(
  paths: readonly string[],
): Promise<{ events: HistoryEvent[]; notes: Note[] }> {
  const events: HistoryEvent[] = [];
  const notes: Note[] = [];
  for (const path of paths) {
    for await (const line of createInterface({ input: createReadStream(path) })) {
      const entry = JSON.parse(line) as HistoryEvent | Note;
      if ('note' in entry) notes.push(entry);
      else events.push(entry);
    }
  }
  return { events, notes };
}
