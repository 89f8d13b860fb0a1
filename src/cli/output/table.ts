import Table from 'cli-table3';
import { cut, printable, widthOf } from './text.js';

export interface Column<Row> {
  readonly head: string;
  readonly of: (row: Row) => string;
  readonly align?: 'right';
  /** How narrow it may become where the terminal is. Default: not narrower than its texts. */
  readonly least?: number;
  /** How narrow it may become while a spare column is there that could be left out. Default: `least`. */
  readonly wanted?: number;
  /** Left out where there is no room for all: those with the highest number first. Default: never. */
  readonly spare?: number;
}

const GAP = '  ';
// cli-table3 takes longer for each row of a longer table, and fails with 100,000 rows.
const DRAWN_AT_ONCE = 100;
const NO_BORDERS = Object.fromEntries(
  ['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right']
    .concat(['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid'])
    .map((name) => [name, '']),
);

/** Rows under heads, in lines of at most `width` columns. */
export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[], width: number): string {
  // More has no room in any case, and to measure a key of some ten thousand characters takes seconds.
  const most = 1_000 + 4 * width;
  const cells = new Map(
    columns.map((column) => [column, rows.map((row) => printable(column.of(row).slice(0, most)))]),
  );
  const natural = (column: Column<Row>) =>
    cells.get(column)!.reduce((widest, text) => Math.max(widest, widthOf(text)), widthOf(column.head));
  const { shown, widths } = narrow(columns, columns.map(natural), width);
  const draw = (from: number) => {
    const drawn = new Table({
      head: from === 0 ? shown.map(({ head }) => head) : [],
      colWidths: widths,
      colAligns: shown.map(({ align }) => align ?? 'left'),
      chars: { ...NO_BORDERS, middle: GAP },
      style: { head: [], border: [], compact: true, 'padding-left': 0, 'padding-right': 0 },
    });
    for (let at = from; at < Math.min(from + DRAWN_AT_ONCE, rows.length); at++)
      // cli-table3 could cut them, but takes a minute for a key of some ten thousand characters.
      drawn.push(shown.map((column, nth) => cut(cells.get(column)![at]!, widths[nth]!)));
    return drawn.toString().split('\n');
  };
  const lines = draw(0);
  for (let from = DRAWN_AT_ONCE; from < rows.length; from += DRAWN_AT_ONCE)
    for (const line of draw(from)) lines.push(line);
  return lines.map((line) => line.trimEnd()).join('\n');
}

/** Narrows what may be narrowed, the widest first; where that is not enough, leaves the spare ones out. */
function narrow<Row>(columns: readonly Column<Row>[], natural: readonly number[], width: number) {
  const atLeast = (width: (column: Column<Row>) => number | undefined) =>
    columns.map((column, at) => Math.min(natural[at]!, width(column) ?? Infinity));
  const least = atLeast((column) => column.least);
  const wanted = atLeast((column) => column.wanted ?? column.least);
  let kept = columns.map((_, at) => at);
  const sum = (widths: readonly number[]) =>
    kept.reduce((total, at) => total + widths[at]!, 0) + GAP.length * (kept.length - 1);
  const spares = kept
    .filter((at) => columns[at]!.spare !== undefined)
    .sort((a, b) => columns[b]!.spare! - columns[a]!.spare!);
  for (const spare of spares) if (sum(wanted) > width) kept = kept.filter((at) => at !== spare);
  const widths = [...natural];
  while (sum(widths) > width) {
    const widest = kept
      .filter((at) => widths[at]! > least[at]!)
      .reduce<number | undefined>(
        (most, at) => (most === undefined || widths[at]! > widths[most]! ? at : most),
        undefined,
      );
    if (widest === undefined) break;
    widths[widest]!--;
  }
  return { shown: kept.map((at) => columns[at]!), widths: kept.map((at) => widths[at]!) };
}
