import Table from 'cli-table3';
import { printable, widthOf } from './text.js';

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
const NO_BORDERS = Object.fromEntries(
  ['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right']
    .concat(['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid'])
    .map((name) => [name, '']),
);

/** Rows under heads, in lines of at most `width` columns. */
export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[], width: number): string {
  const cells = new Map(columns.map((column) => [column, rows.map((row) => printable(column.of(row)))]));
  const natural = (column: Column<Row>) => Math.max(...[column.head, ...cells.get(column)!].map(widthOf));
  const { shown, widths } = narrow(columns, columns.map(natural), width);
  const drawn = new Table({
    head: shown.map(({ head }) => head),
    colWidths: widths,
    colAligns: shown.map(({ align }) => align ?? 'left'),
    chars: { ...NO_BORDERS, middle: GAP },
    style: { head: [], border: [], compact: true, 'padding-left': 0, 'padding-right': 0 },
  });
  rows.forEach((_, at) => void drawn.push(shown.map((column) => cells.get(column)![at]!)));
  return drawn
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
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
