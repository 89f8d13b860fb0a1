import Table from 'cli-table3';

/** Rows as a table. */
export function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const plain = new Table({
    head: [...head],
    style: { head: [], border: [] },
    // No line between two rows.
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
    colAligns: head.map((_, column) => (column === 0 ? 'left' : 'right')),
  });
  plain.push(...rows.map((row) => row.map(String)));
  return plain.toString();
}

/** How many of each there are, the most first. */
export function countBy<T>(items: Iterable<T>, name: (item: T) => string): [string, number][] {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(name(item), (counts.get(name(item)) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a);
}
