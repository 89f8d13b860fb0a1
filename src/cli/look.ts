import { EXIT, Exit } from './exit.js';
import { showLock, showLocks } from './output/locks.js';
import { Progress } from './output/progress.js';
import { Terminal } from './output/terminal.js';
import { printable } from './output/text.js';
import { listLocks } from './pattern.js';
import { type CommonOptions, openSession } from './session.js';

/** `latchkey ls [PATTERN]` */
export async function ls(pattern: string | undefined, options: CommonOptions): Promise<void> {
  const terminal = new Terminal();
  await using session = await openSession(options);
  const progress = Progress.onStderr(!options.json);
  const locks = await listLocks(session.locker, pattern, progress.show).finally(() => progress.close());
  if (options.json) return terminal.printJson(locks);
  if (locks.length === 0) return terminal.print('no lock is held or awaited');
  terminal.print(headed(terminal, showLocks(locks, terminal.width, Date.now())));
}

/** `latchkey inspect KEY` */
export async function inspect(key: string, options: CommonOptions): Promise<void> {
  const terminal = new Terminal();
  await using session = await openSession(options);
  const info = await session.locker.inspect(key);
  if (options.json) terminal.printJson(info);
  else
    terminal.print(
      info ? showLock(info, terminal.width, Date.now()) : `nobody holds or awaits ${printable(key)}`,
    );
  if (!info) throw new Exit(EXIT.no);
}

/** A table with its heads told apart. */
export function headed(terminal: Terminal, table: string): string {
  const [head = '', ...lines] = table.split('\n');
  return [terminal.style('bold', head), ...lines].join('\n');
}
