export type Verdict = 'ok' | 'warning' | 'error';

/** One thing that was looked at, and what to do about it. */
export interface Check {
  readonly what: string;
  readonly verdict: Verdict;
  readonly found: string;
  /** Where it is not `ok`. */
  readonly advice?: string;
}

export const ok = (what: string, found: string): Check => ({ what, verdict: 'ok', found });

export function warning(what: string, found: string, advice: string): Check {
  return { what, verdict: 'warning', found, advice };
}

export function error(what: string, found: string, advice: string): Check {
  return { what, verdict: 'error', found, advice };
}
