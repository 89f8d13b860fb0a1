/** One small bug: text of one file, from `start` up to `end`, becomes `to`. */
export interface Mutant {
  readonly file: string;
  /** Both counted from 1. */
  readonly line: number;
  readonly column: number;
  readonly start: number;
  readonly end: number;
  readonly from: string;
  readonly to: string;
}

export const mutated = (text: string, { start, end, to }: Mutant): string =>
  text.slice(0, start) + to + text.slice(end);

export function mutantAt(file: string, text: string, start: number, end: number, to: string): Mutant {
  const before = text.slice(0, start).split('\n');
  const column = before.at(-1)!.length + 1;
  return { file, line: before.length, column, start, end, from: text.slice(start, end), to };
}

/** For a report: where, and what becomes what, each at most `most` characters long. */
export function describe({ file, line, column, from, to }: Mutant, most = 70): string {
  const short = (text: string) => {
    const flat = text.replace(/\s+/g, ' ').trim();
    return flat.length > most ? `${flat.slice(0, most - 1)}…` : flat;
  };
  return `${file}:${line}:${column}  ${short(from)}  =>  ${short(to) || '(nothing)'}`;
}
