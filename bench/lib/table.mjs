/** Tables on the terminal, and how numbers look in them. */
import Table from 'cli-table3';

/** @param {string} title @param {string[]} head @param {(string | number)[][]} rows @param {string} [note] */
export function printTable(title, head, rows, note) {
  const colAligns = head.map((_, i) => (i === 0 ? 'left' : 'right'));
  const table = new Table({ head, colAligns, style: { head: [], border: [], compact: true } });
  table.push(...rows.map((row) => row.map((cell) => (typeof cell === 'number' ? figure(cell) : cell))));
  console.log(`\n${title}\n${table}`);
  if (note) console.log(note);
}

/** Three digits that count. */
export function figure(value) {
  if (!Number.isFinite(value)) return '-';
  const size = Math.abs(value);
  if (size === 0 || size >= 100) return Math.round(value).toLocaleString('en-US');
  return value.toFixed(size >= 10 ? 1 : size >= 0.1 ? 2 : 3);
}

/** `3.4 x` */
export const times = (ratio) => (Number.isFinite(ratio) ? `${figure(ratio)} x` : '-');

/** Says on stderr what is being measured, so that the tables can be piped away. */
export const progress = (text) => process.stderr.write(`... ${text}\n`);
