import { createHash } from 'node:crypto';

/** One thing that happened. */
interface Entry {
  readonly at: number;
  readonly who: string;
  readonly what: string;
  readonly about: readonly (string | number | undefined)[];
}

const TIME = 12;
const WHO = 14;
const WHAT = 16;

/** What happened in a run, in order; as text, a line for each. */
export class History {
  readonly #entries: Entry[] = [];

  add(at: number, who: string, what: string, ...about: readonly (string | number | undefined)[]): void {
    this.#entries.push({ at, who, what, about });
  }

  get length(): number {
    return this.#entries.length;
  }

  lines(): string[] {
    // A process that was busy does things later than it began to.
    const entries = [...this.#entries].sort((a, b) => a.at - b.at);
    return entries.map(({ at, who, what, about }) => {
      const rest = about.filter((each) => each !== undefined && each !== '').join(' ');
      return `${at.toFixed(3).padStart(TIME)}  ${who.padEnd(WHO)} ${what.padEnd(WHAT)} ${rest}`.trimEnd();
    });
  }

  /** With the heads of the columns. */
  toString(): string {
    const head = `${'ms'.padStart(TIME)}  ${'who'.padEnd(WHO)} ${'what'.padEnd(WHAT)} about`;
    return [head, ...this.lines()].join('\n');
  }

  hash(): string {
    return createHash('sha256').update(this.lines().join('\n')).digest('hex');
  }
}
