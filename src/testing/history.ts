import type { LockMode } from '../lease/driver.js';

/**
 * One thing that happened to one try to hold one key.
 *
 * - `invoke`: it was asked for. `ok`: the answer was yes. `fail`: the answer was no, and nothing else happened.
 *   `info`: there was no answer, or one that does not say; so is an `invoke` that nothing follows.
 * - A `fail` of `extend` also stands for a loss that nobody asked about: the holder was told.
 */
export interface HistoryEvent {
  readonly type: 'invoke' | 'ok' | 'fail' | 'info';
  readonly op: 'acquire' | 'extend' | 'release';
  /** Names the try, and the hold that may come of it: unique in the history. Never the token. */
  readonly hold: string;
  readonly key: string;
  readonly mode: LockMode;
  /** {@link historyNow}. Of an invoke from before it, of all others from after it. */
  readonly at: number;
  /** Of an acquire that is ok; absent where it is not known, as of one key of several. */
  readonly fence?: number;
  /**
   * Until when the holder may surely believe that it holds, once acquire or extend is ok: absent means for ever. Of an
   * extend's invoke: until when it believes while it waits for the answer, where a shorter time is asked for.
   */
  readonly until?: number;
}

/**
 * ms on a clock that all processes of one machine share, whose differences are never negative. On Linux, macOS and
 * Windows `process.hrtime` counts from the boot of the machine; `performance.now()` counts from the start of the process.
 */
export function historyNow(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
