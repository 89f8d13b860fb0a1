/**
 * The name most like `name`, by small slips of writing; undefined where none is near. That is at most `most` slips;
 * default: 2, and of long names a third of the letters.
 */
export function nearest(name: string, names: readonly string[], most?: number): string | undefined {
  const slips = names.map((known) => ({
    known,
    count: slipsBetween(name.toLowerCase(), known.toLowerCase()),
  }));
  const [best] = slips.sort((a, b) => a.count - b.count);
  return best && best.count <= (most ?? Math.max(2, Math.floor(best.known.length / 3)))
    ? best.known
    : undefined;
}

/** How many letters are to be changed, added, left out or swapped with their neighbour to make `b` of `a`. */
function slipsBetween(a: string, b: string): number {
  const counts = Array.from({ length: a.length + 1 }, (_, i) =>
    Array.from({ length: b.length + 1 }, (_, j) => i + j),
  );
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const changed = counts[i - 1]![j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swap = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swapped = swap ? counts[i - 2]![j - 2]! + 1 : Infinity;
      counts[i]![j] = Math.min(changed, swapped, counts[i - 1]![j]! + 1, counts[i]![j - 1]! + 1);
    }
  }
  return counts[a.length]![b.length]!;
}
