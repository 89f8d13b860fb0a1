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

/** The checks of several servers: what was found alike in one line, with the servers unless that is all of them. */
export function together(
  each: readonly (readonly Check[])[],
  servers: readonly { readonly address: string }[],
): Check[] {
  const groups = new Map<string, { check: Check; founds: Set<string>; addresses: string[] }>();
  for (const [at, checks] of each.entries()) {
    for (const check of checks) {
      const { what, verdict, found, advice } = check;
      // What is in order may differ in its numbers.
      const id = JSON.stringify([what, verdict, verdict === 'ok' ? '' : found, advice]);
      const group = groups.get(id) ?? { check, founds: new Set(), addresses: [] };
      group.founds.add(found);
      group.addresses.push(servers[at]!.address);
      groups.set(id, group);
    }
  }
  return [...groups.values()].map(({ check, founds, addresses }) => {
    const where = addresses.length === each.length ? '' : ` (${addresses.join(', ')})`;
    return { ...check, found: `${[...founds].join(', ')}${where}` };
  });
}
