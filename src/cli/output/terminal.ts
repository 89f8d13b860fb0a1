import { styleText } from 'node:util';
import { EXIT } from '../exit.js';
import { printable } from './text.js';

type Style = Parameters<typeof styleText>[0];

/** Where a command writes to. */
export class Terminal {
  constructor(readonly stream: NodeJS.WriteStream = process.stdout) {
    // Whoever reads may have read enough, as `head` does.
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit();
      process.stderr.write(`latchkey: the output cannot be written: ${error.message}\n`);
      process.exit(EXIT.fault);
    });
  }

  get interactive(): boolean {
    return this.stream.isTTY === true;
  }

  /** The columns of a line; without end where nobody looks. */
  get width(): number {
    return this.interactive ? this.stream.columns || 80 : Infinity;
  }

  get height(): number {
    return this.interactive ? this.stream.rows || 24 : Infinity;
  }

  /** The text in that style, where somebody looks who wants to see it. */
  style(style: Style, text: string): string {
    return this.interactive && !process.env.NO_COLOR ? styleText(style, text) : text;
  }

  print(text: string): void {
    this.stream.write(`${text}\n`);
  }

  printJson(value: unknown): void {
    this.print(printable(JSON.stringify(value)));
  }
}
