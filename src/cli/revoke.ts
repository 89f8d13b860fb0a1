import { once } from 'node:events';
import { createInterface } from 'node:readline/promises';
import { type Duration, parseDuration } from '../core/duration.js';
import type { LockInfo } from '../lease/driver.js';
import type { Locker } from '../lease/locker.js';
import { EXIT, Exit } from './exit.js';
import { showWho } from './output/locks.js';
import { Progress } from './output/progress.js';
import { type Column, table } from './output/table.js';
import { Terminal } from './output/terminal.js';
import { printable, showDuration } from './output/text.js';
import { listLocks } from './pattern.js';
import { type CommonOptions, openSession } from './session.js';

export interface RevokeOptions extends CommonOptions {
  readonly fence?: string;
  readonly host?: string;
  readonly grace: string;
  readonly yes?: boolean;
}

interface Hold {
  readonly key: string;
  readonly fence: number;
  readonly holder: LockInfo['holders'][number];
  readonly waiters: number;
}

/** `latchkey revoke KEY --fence N`, and `latchkey revoke --host HOST` */
export async function revoke(key: string | undefined, options: RevokeOptions): Promise<void> {
  checkUsage(key, options);
  const grace = parseDuration('--grace', options.grace);
  const terminal = new Terminal();
  await using session = await openSession(options);
  const { locker } = session;
  const holds =
    key === undefined
      ? await holdsOf(locker, options.host!, Progress.onStderr(!options.json))
      : await holdOf(locker, key, Number(options.fence));
  if (holds.length === 0) throw new Exit(EXIT.no, `no lock is held by host ${options.host}`);
  if (!options.yes) await confirm(terminal, holds, grace);
  const answers: { key: string; fence: number; revoked: boolean }[] = [];
  try {
    for (const hold of holds) {
      const revoked = await locker.revoke(hold.key, hold.fence, { grace: grace as Duration });
      answers.push({ key: hold.key, fence: hold.fence, revoked });
      if (!options.json) terminal.print(report(hold, revoked, grace));
    }
  } finally {
    // Also when the backend fails in the midst of them: those are revoked.
    if (options.json && answers.length > 0) terminal.printJson(answers);
  }
  if (answers.every(({ revoked }) => !revoked)) throw new Exit(EXIT.no);
}

function checkUsage(key: string | undefined, { fence, host, yes, json }: RevokeOptions): void {
  const one = key !== undefined && host === undefined;
  const all = key === undefined && fence === undefined && host !== undefined;
  if (!one && !all) throw new Exit(EXIT.usage, 'expected KEY and --fence, or --host alone');
  if (one && fence === undefined)
    throw new Exit(
      EXIT.usage,
      'expected --fence: the fence of the hold to revoke, as `latchkey inspect` shows it',
    );
  if (fence !== undefined && !(/^\d+$/.test(fence) && Number.isSafeInteger(Number(fence))))
    throw new Exit(EXIT.usage, `expected --fence to be a fence, got ${printable(fence)}`);
  if (!yes && (json || !process.stdin.isTTY || !process.stdout.isTTY))
    throw new Exit(EXIT.usage, 'expected --yes, for there is no terminal to ask in');
}

async function holdOf(locker: Locker, key: string, fence: number): Promise<Hold[]> {
  const info = await locker.inspect(key);
  const holder = info?.holders.find((candidate) => candidate.fence === fence);
  if (holder) return [{ key, fence, holder, waiters: info!.waiters }];
  const others = info?.holders.map((other) => other.fence).join(', ');
  const now = others ? `it is held under ${others} now` : 'nobody holds it';
  throw new Exit(EXIT.no, `there is no hold of ${key} with fence ${fence}: ${now}`);
}

async function holdsOf(locker: Locker, host: string, progress: Progress): Promise<Hold[]> {
  const locks = await listLocks(locker, '*', progress.show).finally(() => progress.close());
  return locks.flatMap(({ key, waiters, holders }) =>
    holders
      .filter(({ meta }) => meta.host === host)
      .map((holder) => ({ key, fence: holder.fence, holder, waiters })),
  );
}

function columns(now: number): Column<Hold>[] {
  return [
    { head: 'KEY', of: ({ key }) => key, least: 10 },
    { head: 'FENCE', of: ({ fence }) => `${fence}`, align: 'right' },
    { head: 'HOLDER', of: ({ holder }) => showWho(holder.meta), least: 10 },
    { head: 'HELD', of: ({ holder }) => showDuration(now - holder.since), align: 'right' },
    { head: 'WAITERS', of: ({ waiters }) => `${waiters}`, align: 'right', spare: 1 },
  ];
}

async function confirm(terminal: Terminal, holds: readonly Hold[], grace: number): Promise<void> {
  terminal.print(table(holds, columns(Date.now()), terminal.width));
  const what = holds.length === 1 ? 'this hold' : `these ${holds.length} holds`;
  const when = grace === 0 ? 'at once' : `after ${showDuration(grace)} in which its holder may release it`;
  const reader = createInterface({ input: process.stdin, output: process.stdout });
  try {
    const closed = once(reader, 'close').then(() => '');
    const asked = reader.question(`Revoke ${what}, ${when}? [y/N] `);
    // Ctrl-C and Ctrl-D are a no.
    const answer = await Promise.race([asked, closed]).catch(() => '');
    if (!/^y(es)?$/i.test(answer.trim())) throw new Exit(EXIT.no, 'nothing was revoked');
  } finally {
    reader.close();
  }
}

function report({ key, fence, holder }: Hold, revoked: boolean, grace: number): string {
  const hold = `${printable(key)}, fence ${fence}`;
  if (!revoked) return `${hold}: not held any more`;
  const until = grace === 0 ? '' : `; it ends within ${showDuration(grace)}`;
  return `${hold}: revoked from ${printable(showWho(holder.meta))}${until}`;
}
