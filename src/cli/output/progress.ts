import { cursorLeft, eraseEndLine } from 'ansi-escapes';
import type { ListProgress } from '../../lease/driver.js';

// What takes no longer needs no progress.
const QUIET_MS = 300;
const STEP_MS = 100;

/** How far a search is, for what takes its time. */
export class Progress {
  readonly #paint: (text: string) => void;
  readonly #clear: () => void;
  #next = performance.now() + QUIET_MS;
  #shown = false;

  constructor(paint: (text: string) => void, clear = () => {}) {
    this.#paint = paint;
    this.#clear = clear;
  }

  /** On a line of stderr that goes away, where somebody looks at both outputs. */
  static onStderr(wanted: boolean): Progress {
    const { stdout, stderr } = process;
    if (!wanted || !stdout.isTTY || !stderr.isTTY) return new Progress(() => {});
    const paint = (text: string) => void stderr.write(`${cursorLeft}${text}${eraseEndLine}`);
    return new Progress(paint, () => paint(''));
  }

  readonly show = (progress: ListProgress): void => {
    const now = performance.now();
    if (now < this.#next) return;
    this.#next = now + STEP_MS;
    this.#shown = true;
    this.#paint(showProgress(progress));
  };

  close(): void {
    if (this.#shown) this.#clear();
    this.#shown = false;
  }
}

/** `looked at 12,000 of about 1,000,000 keys, 1 %` */
function showProgress({ seen, total }: ListProgress): string {
  const looked = `looked at ${seen.toLocaleString('en')}`;
  if (total === undefined) return `${looked} keys`;
  const share = total === 0 ? 100 : Math.min(100, Math.floor((seen / total) * 100));
  return `${looked} of about ${total.toLocaleString('en')} keys, ${share} %`;
}
