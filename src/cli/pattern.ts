import type { ListProgress, LockInfo } from '../lease/driver.js';
import type { Locker } from '../lease/locker.js';

/** Keys that a PATTERN means: `*` stands for any text, `?` for one character, all else for itself. */
export function matcher(pattern: string): (key: string) => boolean {
  const source = pattern
    .replace(/[\\^$.|+()[\]{}]/g, '\\$&')
    .replace(/\*/g, '.*')
    .replace(/\?/g, '.');
  const expression = new RegExp(`^${source}$`, 'su');
  return (key) => expression.test(key);
}

/** The locks whose keys a PATTERN means, sorted by key. */
export async function listLocks(
  locker: Locker,
  pattern = '*',
  onProgress?: (progress: ListProgress) => void,
): Promise<LockInfo[]> {
  const matches = matcher(pattern);
  const locks: LockInfo[] = [];
  for await (const info of locker.list({ prefix: /^[^*?]*/.exec(pattern)![0], onProgress })) {
    if (matches(info.key)) locks.push(info);
  }
  return locks.sort((a, b) => (a.key < b.key ? -1 : 1));
}
