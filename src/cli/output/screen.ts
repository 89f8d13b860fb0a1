import {
  cursorHide,
  cursorShow,
  cursorTo,
  enterAlternativeScreen,
  eraseDown,
  eraseEndLine,
  exitAlternativeScreen,
} from 'ansi-escapes';
import type { Terminal } from './terminal.js';

/** A screen of its own in the terminal, painted over in place. Closed, it leaves the terminal as it was. */
export class Screen {
  readonly #terminal: Terminal;
  readonly #close = () => this.close();
  #open = true;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
    terminal.stream.write(enterAlternativeScreen + cursorHide);
    process.on('exit', this.#close);
  }

  paint(text: string): void {
    if (!this.#open) return;
    const lines = text.split('\n').map((line) => `${line}${eraseEndLine}`);
    this.#terminal.stream.write(`${cursorTo(0, 0)}${lines.join('\n')}\n${eraseDown}`);
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    process.off('exit', this.#close);
    this.#terminal.stream.write(cursorShow + exitAlternativeScreen);
  }
}
