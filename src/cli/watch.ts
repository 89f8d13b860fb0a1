import { sleep, systemClock } from '../core/clock.js';
import { parseDuration } from '../core/duration.js';
import { LockBackendError } from '../core/errors.js';
import { within } from '../core/within.js';
import type { LockInfo } from '../lease/driver.js';
import { Exit, ofSignal } from './exit.js';
import { longestWait, showLocks } from './output/locks.js';
import { Progress } from './output/progress.js';
import { Screen } from './output/screen.js';
import { Terminal } from './output/terminal.js';
import { printable } from './output/text.js';
import { listLocks } from './pattern.js';
import { type CommonOptions, openSession } from './session.js';
import { changesOf } from './watch-changes.js';

export interface WatchOptions extends CommonOptions {
  readonly interval: string;
}

/** `latchkey watch [PATTERN]`: until a signal ends it. */
export async function watch(pattern: string | undefined, options: WatchOptions): Promise<void> {
  const interval = parseDuration('--interval', options.interval, 100);
  const terminal = new Terminal();
  const end = new AbortController();
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const stop = (signal: NodeJS.Signals) => end.abort(signal);
  const stopUnread = () => end.abort();
  for (const signal of signals) process.on(signal, stop);
  terminal.stream.on('error', stopUnread);
  await using session = await openSession(options);
  const screen = terminal.interactive && !options.json ? new Screen(terminal) : undefined;
  let before: readonly LockInfo[] | undefined;
  // The first look at many keys takes its time.
  const progress = new Progress((text) => before ?? screen?.paint(text));
  try {
    while (!end.signal.aborted) {
      const looking = listLocks(session.locker, pattern, progress.show).catch((error: Error) => {
        // Whoever watches wants to see when the backend is back.
        if (error instanceof LockBackendError) return error;
        throw error;
      });
      // Not a race with one promise of the end: that would keep what every look found.
      const now = await within(looking, Infinity, systemClock, end.signal).catch((error: Error) => {
        if (end.signal.aborted) return undefined;
        throw error;
      });
      if (!now) break;
      if (options.json) terminal.printJson(now instanceof Error ? { error: now.message } : now);
      else show(terminal, screen, pattern, now, before);
      if (!(now instanceof Error)) before = now;
      await sleep(interval, systemClock, end.signal).catch(() => {});
    }
  } finally {
    screen?.close();
    for (const signal of signals) process.off(signal, stop);
    terminal.stream.off('error', stopUnread);
  }
  const { reason } = end.signal;
  if (reason === 'SIGTERM' || reason === 'SIGHUP') throw new Exit(ofSignal(reason));
}

function show(
  terminal: Terminal,
  screen: Screen | undefined,
  pattern: string | undefined,
  now: readonly LockInfo[] | Error,
  before: readonly LockInfo[] | undefined,
): void {
  const text =
    now instanceof Error
      ? `the backend does not answer: ${printable(now.message)}`
      : showNow(terminal, pattern, now, before);
  if (screen) screen.paint(text);
  else terminal.print(`${text}\n`);
}

function showNow(
  terminal: Terminal,
  pattern: string | undefined,
  locks: readonly LockInfo[],
  before: readonly LockInfo[] | undefined,
): string {
  const time = Date.now();
  const changes = changesOf(locks, before);
  const sorted = [...locks, ...changes.gone].sort((a, b) => longestWait(b, time) - longestWait(a, time));
  const waiters = locks.reduce((sum, info) => sum + info.waiters, 0);
  const summary = `${new Date(time).toISOString().slice(11, 19)} UTC  ${locks.length} locks, ${waiters} waiters  ${printable(pattern ?? '')}`;
  // Beside them are three lines above, and one below; the last one stays free, for a full one would scroll.
  const room = Math.max(1, terminal.height - 5);
  const first = sorted.slice(0, room);
  const [head = '', ...lines] = showLocks(first, terminal.width, time, changes.of).split('\n');
  const shown = lines.map((line, at) => {
    const info = first[at];
    if (!info || changes.of(info) === '') return line;
    return terminal.style(changes.gone.includes(info) ? 'dim' : 'yellow', line);
  });
  const more = sorted.length > room ? [`and ${sorted.length - room} more`] : [];
  return [summary.trimEnd(), '', terminal.style('bold', head), ...shown, ...more].join('\n');
}
