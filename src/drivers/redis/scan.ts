import { type Clock, sleep } from '../../core/clock.js';

/** One step through the keys of a server. */
export interface Page {
  readonly names: readonly string[];
  /** How many keys of the server have been looked at, and how many it has; undefined where that was not told. */
  readonly seen: number;
  readonly total: number | undefined;
}

/** Sends a command to the server. */
export type Ask = (command: string, ...args: string[]) => Promise<unknown>;

// How many keys one step looks at.
const COUNT = 500;
// How long the server takes at most for a step, and for what is then read of a key, in ms.
const STEP_MS = 1;
const READ_MS = 0.02;
// How many times as long it is then left alone.
const REST = 9;

/**
 * Goes through the hashes of a server whose names begin with `prefix`; some may come twice. What is read of a page before
 * the next is asked for counts, too: the server works a tenth of the time.
 */
export async function* scan(ask: Ask, prefix: string, clock: Clock): AsyncGenerator<Page, void, void> {
  const pattern = `${prefix.replace(/[\\*?[\]]/g, '\\$&')}*`;
  const total = await ask('DBSIZE').then(Number, () => undefined);
  let cursor = '0';
  let seen = 0;
  do {
    const asked = clock.now();
    const answer = await ask('SCAN', cursor, 'MATCH', pattern, 'COUNT', `${COUNT}`, 'TYPE', 'hash');
    const [next, names] = answer as [string, string[]];
    const answered = clock.now();
    cursor = String(next);
    seen = cursor === '0' ? (total ?? seen + COUNT) : Math.min(seen + COUNT, total ?? Infinity);
    yield { names, seen, total };
    const took = Math.min(STEP_MS, answered - asked);
    const readsTook = Math.min(READ_MS * names.length, clock.now() - answered);
    // A timer of less than 1 ms is none.
    if (cursor !== '0') await sleep(Math.max(1, (took + readsTook) * REST), clock);
  } while (cursor !== '0');
}
