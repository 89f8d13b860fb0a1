import type { LockInfo } from '../../lease/driver.js';
import { type Column, table } from './table.js';
import { printable, showDuration } from './text.js';

type Meta = Readonly<Record<string, string>>;

const TOLD = ['service', 'version', 'host', 'pid'];

/** `orders@1.4.0 on web-3, pid 712`, as far as it is known. */
export function showWho({ service, version, host, pid }: Meta): string {
  const name = service === undefined ? '' : version === undefined ? service : `${service}@${version}`;
  const place = host === undefined ? '' : name ? `on ${host}` : host;
  const process = pid === undefined ? '' : `pid ${pid}`;
  return [[name, place].filter(Boolean).join(' '), process].filter(Boolean).join(', ') || '?';
}

const showMore = (meta: Meta) =>
  Object.entries(meta)
    .filter(([name]) => !TOLD.includes(name))
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');

/** What else they tell of themselves, where one does. */
function metaColumn<Row extends { readonly meta: Meta }>(rows: readonly Row[]): Column<Row>[] {
  if (rows.every(({ meta }) => showMore(meta) === '')) return [];
  return [{ head: 'META', of: ({ meta }) => showMore(meta), least: 4, spare: 2 }];
}

/** How long the first waiter has waited, in ms; 0 where nobody waits. */
export function longestWait(info: LockInfo, now: number): number {
  return info.waiting.reduce((longest, { since }) => Math.max(longest, now - since), 0);
}

const showMode = ({ mode, limit }: LockInfo) => (limit === undefined ? mode : `limit ${limit}`);

function showHolders({ holders, restsUntil }: LockInfo): string {
  const [first, ...others] = holders;
  if (!first) return restsUntil === undefined ? 'nobody' : 'rests';
  return others.length === 0 ? showWho(first.meta) : `${showWho(first.meta)} and ${others.length} more`;
}

function listColumns(now: number): Column<LockInfo>[] {
  return [
    { head: 'KEY', of: ({ key }) => key, least: 10 },
    { head: 'MODE', of: showMode, spare: 2 },
    { head: 'HOLDER', of: showHolders, least: 10 },
    {
      head: 'FENCE',
      of: ({ holders }) => (holders[0] ? `${holders[0].fence}` : '-'),
      align: 'right',
      spare: 1,
    },
    {
      head: 'HELD',
      of: ({ holders }) => (holders[0] ? showDuration(now - holders[0].since) : '-'),
      align: 'right',
    },
    { head: 'LEFT', of: (info) => showLeft(info, now), align: 'right', spare: 3 },
    { head: 'WAITERS', of: ({ waiters }) => `${waiters}`, align: 'right' },
    {
      head: 'LONGEST',
      of: (info) => (info.waiting.length > 0 ? showDuration(longestWait(info, now)) : '-'),
      align: 'right',
      spare: 4,
    },
  ];
}

function showLeft({ holders, restsUntil }: LockInfo, now: number): string {
  if (holders.length > 0)
    return showDuration(holders.reduce((longest, { ttl }) => Math.max(longest, ttl), 0));
  return restsUntil === undefined ? '-' : showDuration(restsUntil - now);
}

/** One line a lock; `now` in ms since 1970. With `changeOf`, a column more. */
export function showLocks(
  locks: readonly LockInfo[],
  width: number,
  now: number,
  changeOf?: (info: LockInfo) => string,
): string {
  const columns = listColumns(now);
  if (changeOf) columns.push({ head: 'CHANGE', of: changeOf, least: 6 });
  return table(locks, columns, width);
}

/** All about one lock: its holders, and the waiters in order. */
export function showLock(info: LockInfo, width: number, now: number): string {
  const state =
    info.restsUntil === undefined ? '' : `, rests for ${showDuration(info.restsUntil - now)} more`;
  const parts = [
    table(
      [info],
      [
        { head: 'KEY', of: ({ key }) => key, least: 10 },
        { head: 'MODE', of: showMode },
      ],
      width,
    ),
  ];
  parts.push(`${info.holders.length || 'no'} holder${info.holders.length === 1 ? '' : 's'}${state}`);
  if (info.holders.length > 0) {
    parts.push(
      table(
        info.holders,
        [
          { head: 'FENCE', of: ({ fence }) => `${fence}`, align: 'right' },
          { head: 'HOLDER', of: ({ meta }) => showWho(meta), least: 10, wanted: 40 },
          { head: 'SINCE', of: ({ since }) => new Date(since).toISOString(), spare: 1 },
          { head: 'HELD', of: ({ since }) => showDuration(now - since), align: 'right' },
          { head: 'LEFT', of: ({ ttl }) => showDuration(ttl), align: 'right' },
          ...metaColumn(info.holders),
        ],
        width,
      ),
    );
  }
  parts.push(
    `${info.waiters || 'no'} waiter${info.waiters === 1 ? '' : 's'}${info.waiters > info.waiting.length ? `, the first ${info.waiting.length} of them` : ''}`,
  );
  if (info.waiting.length > 0) {
    parts.push(
      table(
        info.waiting.map((waiter, at) => ({ ...waiter, place: at + 1 })),
        [
          { head: '#', of: ({ place }) => `${place}`, align: 'right' },
          { head: 'MODE', of: ({ mode }) => mode },
          { head: 'WAITER', of: ({ meta }) => showWho(meta), least: 10, wanted: 40 },
          { head: 'SINCE', of: ({ since }) => new Date(since).toISOString(), spare: 1 },
          { head: 'WAITS', of: ({ since }) => showDuration(now - since), align: 'right' },
          ...metaColumn(info.waiting),
        ],
        width,
      ),
    );
  }
  const [holder] = info.holders;
  if (holder) parts.push(`to free it: latchkey revoke ${wordsFor(info.key, holder.fence)}`);
  return parts.join('\n\n');
}

/** A key and a fence as arguments; a key like an option comes after `--`. */
function wordsFor(key: string, fence: number): string {
  const word = shellWord(key);
  return key.startsWith('-') ? `--fence ${fence} -- ${word}` : `${word} --fence ${fence}`;
}

/** A key as a shell takes it. */
function shellWord(key: string): string {
  return /^[\w@%+=:,./-]+$/.test(key) ? key : `'${printable(key).replaceAll("'", "'\\''")}'`;
}
