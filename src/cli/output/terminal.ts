import { styleText } from 'node:util';
import { EXIT } from '../exit.js';
import { printable } from './text.js';

type Style = Parameters<typeof styleText>[0];

/** Sees to it that output which cannot be written is no unhandled error. What the command does besides, it does to its end. */
export function surviveBrokenOutput(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // Whoever reads may have read enough, as `head` does.
    if (error.code === 'EPIPE' || process.exitCode === EXIT.fault) return;
    process.stderr.write(`latchkey: the output cannot be written: ${error.message}\n`);
    process.exitCode = EXIT.fault;
  });
  // There is nowhere to tell it; the exit code is that of the command.
  process.stderr.on('error', () => {});
}

/** Where a command writes to. */
export class Terminal {
  constructor(readonly stream: NodeJS.WriteStream = process.stdout) {}

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
