import type { LockInfo } from '../lease/driver.js';

/** What is different from one look to the next. */
export interface Changes {
  /** In a word or two; empty where nothing changed. */
  of(info: LockInfo): string;
  /** The locks that are neither held nor awaited any more. */
  readonly gone: readonly LockInfo[];
}

export function changesOf(now: readonly LockInfo[], before: readonly LockInfo[] | undefined): Changes {
  const former = new Map(before?.map((info) => [info.key, info]));
  const keys = new Set(now.map(({ key }) => key));
  const gone: LockInfo[] = (before ?? [])
    .filter(({ key }) => !keys.has(key))
    .map((info) => ({ ...info, waiting: [], waiters: 0 }));
  const of = (info: LockInfo) => {
    if (!before) return '';
    if (gone.includes(info)) return 'free';
    const then = former.get(info.key);
    if (!then) return 'new';
    if (fences(info) !== fences(then)) return 'holder';
    const more = info.waiters - then.waiters;
    return more === 0 ? '' : `${more > 0 ? '+' : ''}${more} waiting`;
  };
  return { of, gone };
}

const fences = ({ holders }: LockInfo) =>
  holders
    .map(({ fence }) => fence)
    .sort((a, b) => a - b)
    .join();
